"""A worker: one engine, its HTTP API, and its registration with the coordinator."""
