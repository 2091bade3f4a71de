"""The `novacron` command.

What it sets here is inherited by every process that it starts: the engine's, the program's, the serving stack's.
"""

import os

# gRPC's own library tells of connections that end on a terminal that others write to.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

# These processes talk to each other on this machine; a proxy that is meant for the internet would not find them.
for _name in ("no_proxy", "NO_PROXY"):
    os.environ[_name] = ",".join(filter(None, [os.environ.get(_name), "127.0.0.1", "localhost"]))
