"""Starts policy packs, has them check resources, and records whether each has checked the whole stack."""
