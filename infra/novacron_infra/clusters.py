"""Checks that the Kubernetes clusters of all clouds share."""

from __future__ import annotations

import re
from collections.abc import Iterator

from novacron_infra.errors import Problem

_VERSION = re.compile(r"1\.\d{2}")


def check_version(path: str, version: str) -> Iterator[Problem]:
    """Yield a problem when `version` is not a minor version of Kubernetes: the cloud chooses the patch."""
    if not _VERSION.fullmatch(version):
        yield Problem(path, version, "it is not a minor version of Kubernetes", "Write it as 1.34")
