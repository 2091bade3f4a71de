"""The whole program of a project that deploys environments; it needs `pip install novacron-infra`."""

from pathlib import Path

import pulumi
from novacron_infra import NovaCronError, build, load_stack

try:
    build(load_stack(), Path(__file__).parent)
except NovaCronError as error:
    raise pulumi.RunError(str(error)) from error
