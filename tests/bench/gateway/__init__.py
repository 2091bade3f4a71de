"""The coordinator compared with other gateways, on the same fake backends and load: `make bench-gateway`."""
