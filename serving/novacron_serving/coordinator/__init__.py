"""The coordinator: one address for clients, in front of all workers."""
