"""Alembic's entry point. `Store.migrate` provides the connection."""

from __future__ import annotations

from typing import Any

from alembic import context

_context: Any = context
_context.configure(connection=_context.config.attributes["connection"], render_as_batch=True)
with _context.begin_transaction():
    _context.run_migrations()
