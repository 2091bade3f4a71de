"""Monitoring of the serving stack by a Prometheus operator: monitors, recording and alert rules, and dashboards.

`declare` declares the objects. The modules below it describe them without Pulumi, so that tests can give them to
Prometheus itself. Prometheus, Alertmanager and Grafana are add-ons of the cluster, not part of this package.
"""
