"""Results of the `random` package: of the form that the real provider gives them, and the same for a URN every time."""

from __future__ import annotations

import string
from random import Random

from novacron_rehearsal.providers.random_values import RandomResult, find_random_kind
from novacron_rehearsal.values import UNKNOWN, PropertyMap, contains_unknown, without_secrets

_BCRYPT = "./" + string.ascii_letters + string.digits


def make_random(token: str, inputs: PropertyMap, seed: str) -> RandomResult:
    """Return the id and the computed outputs of a resource of package `random`.

    Args:
        token: its type, such as `random:index/randomPassword:RandomPassword`.
        inputs: its inputs.
        seed: what the result depends on; empty for a preview, in which results are unknown.

    Raises:
        RehearsalError: for inputs that the provider refuses.
    """
    name, kind = token.rpartition(":")[2], find_random_kind(token)
    given = {name: without_secrets(value) for name, value in inputs.items() if value is not None}
    if kind is None or not seed or any(contains_unknown(value) for value in given.values()):
        return RandomResult(f"{name}-{seed[:12]}", dict.fromkeys(kind.computed if kind else (), UNKNOWN))
    random = Random(seed)  # noqa: S311 - the result must not change from run to run
    made = kind.make(given, random)
    if "bcryptHash" in kind.computed:
        # It has the form of a bcrypt hash, but is not the hash of this password.
        made.outputs["bcryptHash"] = "$2a$10$" + "".join(random.choices(_BCRYPT, k=53))
    return made


def existing_random(identifier: str, state: PropertyMap) -> PropertyMap:
    """Return the outputs of a resource that a program reads or imports: its id is its result."""
    return {"result": identifier, "length": len(identifier), **state}
