"""Who may do what, and how much: API keys and rate limits."""
