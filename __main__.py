"""The Pulumi program of this project: it reads the configuration of the stack and builds the environment."""

from pathlib import Path

import pulumi
from novacron_infra import NovaCronError, build, load_stack

try:
    build(load_stack(), Path(__file__).parent)
except NovaCronError as error:
    raise pulumi.RunError(str(error)) from error
