"""`make bench-gateway`: our coordinator beside other gateways, over the same fake backends and load."""
