"""A rehearsal of a stack, and what a person is told of it before anything is paid for."""

from novacron_ops.rehearsing.page import page
from novacron_ops.rehearsing.report import Report, describe, values
from novacron_ops.rehearsing.run import PeakMemory, Rehearsal, rehearse
from novacron_ops.rehearsing.waits import Chain, Link, Wait, Waits, find_waits

__all__ = [
    "Chain",
    "Link",
    "PeakMemory",
    "Rehearsal",
    "Report",
    "Wait",
    "Waits",
    "describe",
    "find_waits",
    "page",
    "rehearse",
    "values",
]
