"""What a running service tells about itself: metrics, traces, logs and the prediction log; never a member's own data."""
