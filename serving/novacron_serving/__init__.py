"""NovaCron serving: the coordinator, the workers and their engines."""
