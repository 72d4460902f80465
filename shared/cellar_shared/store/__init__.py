"""Where serving reads from: immutable generations of wines, counts and members, written by `materialize`."""
