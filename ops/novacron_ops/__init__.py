"""The `novacron` command."""

import os

# gRPC's own library tells of connections that end on a terminal that others write to.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
