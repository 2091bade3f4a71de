import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from novacron_policy.pack import PACK_NAME, policies
from pulumi_policy import PolicyPack

PolicyPack(name=PACK_NAME, policies=policies())
