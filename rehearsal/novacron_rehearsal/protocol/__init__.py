"""Pulumi's wire protocol: values and requests, and the processes that speak it."""
