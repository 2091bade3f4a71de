"""Errors of the catalogue, and suggestions for names that it does not have."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from novacron_infra.errors import ConfigurationError, NovaCronError

_SHOWN_NAMES = 12


class CatalogError(NovaCronError):
    """Base class of the catalogue's errors."""


class CatalogFilesError(ConfigurationError, CatalogError):
    """A project's own files of the catalogue have problems."""

    subject = "the catalogue has"


class ModelConfigError(ConfigurationError, CatalogError):
    """The config.json of a model has problems."""

    subject = "the model has"


class UnknownNameError(CatalogError):
    """A name that is not in the catalogue. `hint` suggests the names that are most like it."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.hint = suggest_names(name, known)
        super().__init__(f"{kind} {name!r} is not in the catalogue. {self.hint}")


class UnsupportedQuantizationError(CatalogError):
    """A quantisation that an engine does not run on a GPU architecture.

    `offered` has those to use instead, `supported` all formats that it runs.
    """

    def __init__(
        self, quantization: str, engine: str, architecture: str, offered: tuple[str, ...], supported: tuple[str, ...]
    ) -> None:
        super().__init__(
            f"quantization {quantization!r}: {engine} does not support this format on {architecture} GPUs. "
            f"Use {' or '.join(offered)}. All supported formats: {', '.join(supported) or 'none'}"
        )
        self.offered = offered
        self.supported = supported


def suggest_names(name: str, known: Iterable[str]) -> str:
    """Return a sentence that suggests what to write instead of `name`.

    Names are case-sensitive: one that differs only in case, or in spaces around it, is suggested alone. Otherwise the
    sentence has up to three names that contain the text or are similar to it, or the known ones when none is.
    """
    names = sorted(known)
    same = [item for item in names if item.lower() == name.strip().lower()]
    if same:
        return f"Names are case-sensitive: use {same[0]}" if same[0] != name.strip() else f"Write it as {same[0]}"
    near = [item for item in names if name.strip() and name.strip().lower() in item.lower()][:3]
    near = near or difflib.get_close_matches(name, names, n=3)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    shown = ", ".join(names[:_SHOWN_NAMES])
    more = len(names) - _SHOWN_NAMES
    return f"Use one of {shown}" if more <= 0 else f"Use one of {shown} or {more} more: see `novacron catalog list`"
