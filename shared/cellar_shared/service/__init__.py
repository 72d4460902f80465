"""The frame that cellar's scoring services share: routes, problems, payloads, readiness, timing and the server."""
