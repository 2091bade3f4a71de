"""Kubernetes clusters on this machine, for tests and trials.

A simulated cluster has a real control plane and nodes that only exist in it. A real node runs containers; it needs root
and Linux. Both are built from pinned Go modules, and everything they start ends with them.
"""
