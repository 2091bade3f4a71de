"""What can go wrong when the catalogue is asked."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from novacron_infra.errors import NovaCronError


class CatalogError(NovaCronError):
    """Base of the catalogue's errors."""


class UnknownNameError(CatalogError):
    """A name that is in no row; `hint` has the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3)
        self.hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"{kind} {name!r} is not in the catalogue: {self.hint}")


class UnsupportedQuantizationError(CatalogError):
    """An engine does not run this quantisation on this architecture."""

    def __init__(self, quantization: str, engine: str, architecture: str, offered: tuple[str, ...]) -> None:
        super().__init__(
            f"quantization {quantization!r}: {engine} has no such format on {architecture} GPUs; "
            f"use {' or '.join(offered)}"
        )
        self.offered = offered
