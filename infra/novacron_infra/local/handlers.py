"""The resources of the local platform as the provider sees them: validate, compare, create, read, update, delete.

A handler never runs code that a request brings along. It starts only the modules of novacron-serving's contract, gives
them only the contract's variables, and touches only folders of such processes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Protocol, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Json, JsonValue, ValidationError

from novacron_infra.errors import LocalProcessError
from novacron_infra.local import process, readiness
from novacron_infra.local.contract import read_contract
from novacron_infra.local.state_files import read_state

Properties = Mapping[str, object]
"""Properties of a resource, as the protocol carries them."""

PROCESS = "novacron-local:index:Process"
READINESS = "novacron-local:index:Readiness"
GENERATED_SECRET = "novacron-local:index:GeneratedSecret"  # noqa: S105 - the name of a type
LONGEST_WAIT_S = 3600


@dataclass(frozen=True, slots=True)
class Failure:
    """A property with a value that the provider does not accept."""

    property: str
    reason: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Properties that changed, and those of them that need a new resource."""

    changed: Sequence[str]
    replaces: Sequence[str] = ()


class Handler(Protocol):
    """Manages the resources of one type."""

    def check(self, inputs: Properties) -> list[Failure]:
        """Return what is wrong with the inputs."""
        ...

    def diff(self, olds: Properties, news: Properties) -> Difference:
        """Compare a resource with new inputs."""
        ...

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        """Create a resource. Return its id and its outputs."""
        ...

    def read(self, id_: str, state: Properties) -> Properties | None:
        """Return a resource as it is now, None when it is gone."""
        ...

    def update(self, news: Properties) -> Properties:
        """Change a resource in place. Return its outputs."""
        ...

    def delete(self, state: Properties) -> None:
        """Remove a resource."""
        ...


def _absolute(path: Path) -> Path:
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{path} is not an absolute path without `..`")
    return path


def _served_module(module: str) -> str:
    known = read_contract().modules
    if module not in known:
        raise ValueError(f"{module} is not a module of novacron-serving; the local platform runs {_listed(known)}")
    return module


def _contract_variables(variables: Mapping[str, str]) -> Mapping[str, str]:
    known = read_contract().environment.values()
    if unknown := variables.keys() - known:
        raise ValueError(f"{_listed(unknown)}: not a variable of novacron-serving, which reads {_listed(known)}")
    return variables


def _loopback_url(url: str) -> str:
    if not re.fullmatch(r"http://127\.0\.0\.1:\d{1,5}/[\w/.-]*", url):
        raise ValueError(f"{url} is not an address of this machine; use http://127.0.0.1:PORT/PATH")
    return url


Port = Annotated[int, Field(ge=1, le=65535)]
Folder = Annotated[Path, AfterValidator(_absolute)]
ServiceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
LoopbackUrl = Annotated[str, AfterValidator(_loopback_url)]
Wait = Annotated[float, Field(gt=0, le=LONGEST_WAIT_S)]


class _Inputs(BaseModel):
    model_config = ConfigDict(frozen=True)


class ProcessInputs(_Inputs):
    """Inputs of a process. `ProcessSpec` describes them."""

    name: ServiceName
    run_dir: Folder
    module: Annotated[str, AfterValidator(_served_module)]
    config: Json[dict[str, JsonValue]]
    secret_env: Annotated[Mapping[str, str], AfterValidator(_contract_variables)]
    ports: dict[str, Port]
    ready_url: LoopbackUrl
    ready_timeout_s: Wait
    triggers: str
    pass_env: tuple[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\*?$")], ...] = ()
    timeout_field: str = ""

    def spec(self) -> process.ProcessSpec:
        """Return the process that these inputs describe."""
        return process.ProcessSpec(**{name: getattr(self, name) for name in type(self).model_fields})


class ProcessFolder(_Inputs):
    """The folder of a process: all that reading and deleting need. Earlier versions had other inputs."""

    name: ServiceName
    run_dir: Folder

    @property
    def path(self) -> Path:
        """The folder."""
        return self.run_dir / self.name


class ReadinessInputs(_Inputs):
    """Inputs of a readiness."""

    urls: Annotated[tuple[LoopbackUrl, ...], Field(max_length=1000)]
    processes: tuple[str, ...]
    timeout_s: Wait
    logs: Folder


class ProcessHandler:
    """A supervised process."""

    COMPARED: ClassVar = tuple(name for name in ProcessInputs.model_fields if name != "timeout_field")
    RESTARTED_BY: ClassVar = ("module", "config", "secret_env", "triggers", "pass_env")
    """Inputs in the digest of a process: a change of another one updates the state only."""
    PLACE: ClassVar = ("name", "run_dir")
    """Another place means another process: the old one is deleted first, because it has the ports."""

    def check(self, inputs: Properties) -> list[Failure]:
        """Return what is wrong with the inputs."""
        return _failures(ProcessInputs, inputs)

    def diff(self, olds: Properties, news: Properties) -> Difference:
        """Compare a process with new inputs. An earlier version may have had fewer of them."""
        absent = {"pass_env": []}
        changed = _changed(absent | dict(olds), absent | dict(news), self.COMPARED)
        return Difference(changed, [name for name in changed if name in self.PLACE])

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        """Start the process and wait until it is ready."""
        spec = _parse(ProcessInputs, inputs).spec()
        process.start(spec)
        kept = {name: inputs[name] for name in ProcessInputs.model_fields if name in inputs}
        return spec.name, kept | {"log": str(spec.log), "digest": spec.digest}

    def read(self, id_: str, state: Properties) -> Properties | None:
        """Return the state of a process that runs, None for one that failed or was stopped."""
        del id_
        folder = _parse(ProcessFolder, state).path
        ended = read_state(folder).get("status") in ("failed", "stopped")
        return None if ended or not process.is_alive(folder) else state

    def update(self, news: Properties) -> Properties:
        """Restart the process if its specification changed."""
        return self.create(news)[1]

    def delete(self, state: Properties) -> None:
        """Stop the process and remove its files. A folder without the files of a process is left alone."""
        folder = _parse(ProcessFolder, state).path
        if folder in process.find_folders(folder.parent):
            process.remove(folder)


class ReadinessHandler:
    """The readiness of several processes as one stack."""

    COMPARED: ClassVar = ("urls", "processes")

    def check(self, inputs: Properties) -> list[Failure]:
        """Return what is wrong with the inputs."""
        return _failures(ReadinessInputs, inputs)

    def diff(self, olds: Properties, news: Properties) -> Difference:
        """Compare with new inputs: other addresses, or other processes behind them."""
        return Difference(_changed(olds, news, self.COMPARED))

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        """Wait until all addresses return 200."""
        wanted = _parse(ReadinessInputs, inputs)
        readiness.await_ready(wanted.urls, wanted.timeout_s, str(wanted.logs))
        return "ready", {name: inputs[name] for name in ReadinessInputs.model_fields}

    def read(self, id_: str, state: Properties) -> Properties | None:
        """Return the state while all addresses return 200."""
        del id_
        return None if readiness.find_unready(_parse(ReadinessInputs, state).urls) else state

    def update(self, news: Properties) -> Properties:
        """Wait again."""
        return self.create(news)[1]

    def delete(self, state: Properties) -> None:
        """Do nothing: only the processes exist outside the state."""
        del state


class SecretHandler:
    """A secret that is generated once."""

    def check(self, inputs: Properties) -> list[Failure]:
        """Accept anything: there are no inputs."""
        del inputs
        return []

    def diff(self, olds: Properties, news: Properties) -> Difference:
        """Report no change: a secret keeps its value until it is replaced."""
        del olds, news
        return Difference(())

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        """Generate a secret of 43 of A-Z, a-z, 0-9, - and _ (256 bits)."""
        del inputs
        return secrets.token_hex(8), {"value": secrets.token_urlsafe(32)}

    def read(self, id_: str, state: Properties) -> Properties | None:
        """Return the state, the only place where the secret is; None where an import brings none."""
        del id_
        return state if "value" in state else None

    def update(self, news: Properties) -> Properties:
        """Never called: `diff` reports no change."""
        return news

    def delete(self, state: Properties) -> None:
        """Do nothing: the secret goes with the state."""
        del state


HANDLERS: Mapping[str, Handler] = {
    PROCESS: ProcessHandler(),
    READINESS: ReadinessHandler(),
    GENERATED_SECRET: SecretHandler(),
}
"""The handler of each type."""

_Model = TypeVar("_Model", bound=_Inputs)


def _parse(model: type[_Model], properties: Properties) -> _Model:
    try:
        return model.model_validate(dict(properties))
    except ValidationError as error:
        reasons = "; ".join(f"{failure.property}: {failure.reason}" for failure in _explain(error))
        raise LocalProcessError(f"the resource is not valid: {reasons}") from error


def _failures(model: type[_Inputs], inputs: Properties) -> list[Failure]:
    try:
        model.model_validate(dict(inputs))
    except ValidationError as error:
        return _explain(error)
    return []


def _explain(error: ValidationError) -> list[Failure]:
    """Return the properties that a validation rejected. Values are not repeated: some are secrets."""
    return [
        Failure(str(item["loc"][0]) if item["loc"] else "", item["msg"])
        for item in error.errors(include_url=False, include_input=False)
    ]


def _changed(olds: Properties, news: Properties, names: Sequence[str]) -> list[str]:
    return [name for name in names if olds.get(name) != news.get(name)]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
