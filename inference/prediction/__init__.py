"""From requests to logged answers: admission, batching, features, score, log."""
