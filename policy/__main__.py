import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from novacron_policy.pack import PACK_NAME, create_policies
from pulumi_policy import PolicyPack

PolicyPack(name=PACK_NAME, policies=create_policies())
