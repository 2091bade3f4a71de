"""Rehearsing a stack on simulated clouds, and the report of it as text, as JSON and as a web page."""

from novacron_ops.rehearsal.page import render_page
from novacron_ops.rehearsal.report import Report, report_values
from novacron_ops.rehearsal.run import PeakMemory, Rehearsal, rehearse
from novacron_ops.rehearsal.text import report_lines

__all__ = ["PeakMemory", "Rehearsal", "Report", "rehearse", "render_page", "report_lines", "report_values"]
