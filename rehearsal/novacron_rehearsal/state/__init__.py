"""The state of a stack: its records, its files, its secrets."""
