"""Names that are cut to the length that a cloud allows."""

from __future__ import annotations

from hashlib import sha256

LONGEST_SHORT_NAME = 24
"""Characters of a region's short name. AWS allows load balancers 32, of which a generated name needs 8."""
_DIGEST_LENGTH = 6


def shorten_name(name: str, longest: int = LONGEST_SHORT_NAME) -> str:
    """Return the name, or its beginning and a digest of all of it if it has more than `longest` characters."""
    if len(name) <= longest:
        return name
    digest = sha256(name.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[: longest - _DIGEST_LENGTH - 1].rstrip('-')}-{digest}"
