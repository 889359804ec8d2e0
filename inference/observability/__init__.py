"""What the service shows of itself: metrics, traces, request lines, cost."""
