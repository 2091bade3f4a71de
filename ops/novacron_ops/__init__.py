"""The `novacron` command."""
