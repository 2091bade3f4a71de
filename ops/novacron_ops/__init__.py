"""The `novacron` command.

Every process that the command starts inherits the environment variables set here: the engine, the program, the serving
stack.
"""

import os

# gRPC logs connections that end to the terminal, between the lines of the command.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

# The processes connect to each other on this machine, which an HTTP proxy cannot reach.
for _name in ("no_proxy", "NO_PROXY"):
    os.environ[_name] = ",".join(filter(None, [os.environ.get(_name), "127.0.0.1", "localhost"]))
