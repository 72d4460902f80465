"""Bundles: what learning made, immutable, checked by digest and by replaying its golden cases."""
