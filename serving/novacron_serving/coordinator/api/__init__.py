"""The ASGI application: every path except chat and completions."""
