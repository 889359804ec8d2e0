"""Who calls, what they may do, and how often: API keys, bearer tokens, scopes, rates."""
