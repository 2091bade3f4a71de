"""Simulated clouds: aws, gcp, azure-native and kubernetes as provider plugins that need no account and make nothing."""

from novacron_rehearsal.clouds.server import serve_clouds, write_plugins

__all__ = ["serve_clouds", "write_plugins"]
