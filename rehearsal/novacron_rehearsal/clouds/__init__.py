"""Simulated clouds: Pulumi provider plug-ins that need no account and create nothing.

aws, gcp, azure-native, kubernetes and random are simulated with data of their own. Any other package needs only
its installed Pulumi SDK for Python.
"""

from novacron_rehearsal.clouds.server import serve_clouds, write_plugins

__all__ = ["serve_clouds", "write_plugins"]
