"""Add-ons of a cluster: one module for each, with its pinned chart and the values that this project sets.

`selection` chooses the charts of a cluster. `component` declares them as Pulumi resources. Nothing here copies a chart:
Helm fetches it.
"""
