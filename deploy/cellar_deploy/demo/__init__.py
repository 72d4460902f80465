"""The whole line on one machine, from ratings to an answered request."""
