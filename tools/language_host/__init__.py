"""A language host: with it, a Pulumi CLI that was built from its Go module runs programs in Python."""
