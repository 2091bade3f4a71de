"""Postgres and Redis for the coordinators, in a cluster of your own."""
