"""Typed clients of cellar's services, on the standard library and msgspec alone: an app may copy this folder as it is."""
