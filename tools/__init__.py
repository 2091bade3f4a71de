"""Tools for the developers of NovaCron. Nothing here is installed with it."""
