"""What a project of your own needs to deploy environments: `pip install novacron-infra` and these lines."""

from pathlib import Path

import pulumi
from novacron_infra.config import load_stack
from novacron_infra.environment import build
from novacron_infra.errors import NovaCronError

try:
    build(load_stack(), Path(__file__).parent)
except NovaCronError as error:
    raise pulumi.RunError(str(error)) from error
