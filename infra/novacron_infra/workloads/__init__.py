"""The serving processes on any platform: their configuration, names and identities."""
