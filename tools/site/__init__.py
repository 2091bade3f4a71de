"""The documentation site: pages that `make docs` generates."""
