"""The contract of the installed novacron-serving: modules, paths and variables. Read as data, never imported."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from novacron_infra.errors import LocalProcessError


class ServedProcess(BaseModel):
    """A kind of process of novacron-serving."""

    model_config = ConfigDict(frozen=True)

    module: str
    """Run as `python -m MODULE --config FILE`."""


class Contract(BaseModel):
    """`protocol/contract.json` of novacron-serving, as far as infrastructure needs it."""

    model_config = ConfigDict(frozen=True)

    processes: Mapping[str, ServedProcess]
    paths: Mapping[str, str]
    environment: Mapping[str, str]
    """Names of environment variables, by what they hold."""

    @property
    def modules(self) -> frozenset[str]:
        """The modules that can be run as processes."""
        return frozenset(process.module for process in self.processes.values())


@cache
def find_serving() -> Path:
    """Return the folder of the installed package novacron-serving.

    Raises:
        LocalProcessError: it is not installed.
    """
    found = find_spec("novacron_serving")
    if found is None or not found.submodule_search_locations:
        raise LocalProcessError("the package novacron-serving is not installed here; run `make up`, or pip install it")
    return Path(next(iter(found.submodule_search_locations)))


@cache
def read_contract() -> Contract:
    """Return the contract of the installed novacron-serving.

    Raises:
        LocalProcessError: it is not installed.
    """
    return Contract.model_validate_json((find_serving() / "protocol" / "contract.json").read_bytes())
