"""NovaCron infrastructure: one typed description of an environment becomes Pulumi components."""
