"""What happens, told by callers, on its way to the feature repository's stream."""
