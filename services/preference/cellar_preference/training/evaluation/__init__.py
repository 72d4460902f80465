"""Judges contestants on held-out rows and shows the verdict as JSON and as a page."""
