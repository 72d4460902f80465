"""Judges contestants by where they rank what members liked next."""
