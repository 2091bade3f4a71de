"""Decides whether an object is ready, from the object and those that belong to it. Sends no requests.

`judge` returns a verdict: ready, not yet (with the progress), or failed for good. `waiting.py` reads the objects again
until the verdict is final.
"""

from __future__ import annotations

from novacron_rehearsal.kubernetes.readiness.judge import find_needs, judge
from novacron_rehearsal.kubernetes.readiness.verdict import Needs, Related, Verdict

__all__ = ["Needs", "Related", "Verdict", "find_needs", "judge"]
