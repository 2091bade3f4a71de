"""Names of resources that are unique in all of Azure, such as vaults and storage accounts."""

from __future__ import annotations

from hashlib import sha256

_HASH_LENGTH, _LONGEST_VAULT = 8, 24


def make_unique_name(name: str, subscription_id: str) -> str:
    """Return a name of letters and digits that no other subscription has.

    Args:
        name: the name in the subscription, which the result begins with.
        subscription_id: the subscription, whose hash the result ends with.
    """
    digest = sha256(f"{subscription_id.lower()}/{name}".encode()).hexdigest()[:_HASH_LENGTH]
    return name.replace("-", "")[: _LONGEST_VAULT - _HASH_LENGTH] + digest
