"""Forgetting a member, wherever something of them lies."""
