"""Providers: how they are found and started, what they are asked, and the one that is built in."""
