"""What runs on a platform: the serving processes, their configuration, names and identities."""
