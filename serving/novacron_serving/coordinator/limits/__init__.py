"""API keys, and how much each of them may use."""
