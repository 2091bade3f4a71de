"""The database, from its first shape to the present one."""
