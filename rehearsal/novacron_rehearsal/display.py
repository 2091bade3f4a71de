"""Shows a run: as a live tree on a terminal, as plain lines elsewhere. Secrets are redacted."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeAlias

from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from novacron_rehearsal import urn
from novacron_rehearsal.engine.diff import compare, parse_path
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.events import (
    Diagnostic,
    DiffKind,
    Event,
    Operation,
    OperationEnded,
    OperationStarted,
    PolicyViolated,
    PropertyDiff,
    Severity,
    StackOutputs,
    StepEnded,
    StepOp,
    StepStarted,
)
from novacron_rehearsal.values import (
    MASK,
    Archive,
    Asset,
    Output,
    PropertyMap,
    ResourceReference,
    Secret,
    Unknown,
    Value,
)
from novacron_rehearsal.yaml_files import parse_yaml

_SIGNS = {
    StepOp.SAME: (" ", "dim"),
    StepOp.CREATE: ("+", "green"),
    StepOp.UPDATE: ("~", "yellow"),
    StepOp.DELETE: ("-", "red"),
    StepOp.REPLACE: ("+-", "magenta"),
    StepOp.CREATE_REPLACEMENT: ("++", "magenta"),
    StepOp.DELETE_REPLACED: ("--", "magenta"),
    StepOp.READ: (">", "cyan"),
    StepOp.REFRESH: ("~", "cyan"),
    StepOp.IMPORT: ("=", "green"),
}
_COUNTED = {
    StepOp.SAME: "unchanged",
    StepOp.CREATE: "created",
    StepOp.UPDATE: "updated",
    StepOp.DELETE: "deleted",
    StepOp.REPLACE: "replaced",
    StepOp.CREATE_REPLACEMENT: "created as a replacement",
    StepOp.DELETE_REPLACED: "deleted after replacement",
    StepOp.READ: "read",
    StepOp.REFRESH: "refreshed",
    StepOp.IMPORT: "imported",
}
"""Words for a number of resources."""
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "", Severity.DEBUG: "dim"}
_QUIET = {StepOp.SAME, StepOp.REFRESH, StepOp.READ}
_PROGRESS_S = 10.0
"""Without a terminal, the progress of a step is printed when it takes this long, and then at most this often."""

_Node: TypeAlias = "tuple[StepOp, str, float | None, str]"


def plain(value: Value) -> Any:
    """Return a value as JSON data for display, with `[secret]` for secrets and `[unknown]` for unknown values."""
    if isinstance(value, Secret) or (isinstance(value, Output) and value.secret):
        return MASK
    if isinstance(value, Output):
        return plain(value.value)
    if isinstance(value, Unknown):
        return "[unknown]"
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, (Asset, Archive)):
        return f"[{type(value).__name__.lower()} {value.path or value.uri or 'text'} {value.hash[:8]}]"
    if isinstance(value, ResourceReference):
        return value.urn
    return value


def show(value: Value) -> str:
    """Return a value on one line."""
    redacted = plain(value)
    return redacted if isinstance(redacted, str) else json.dumps(redacted, ensure_ascii=False)


def _at(value: Value, path: str) -> Value:
    """Return the value at a path. When the path leads into a secret or an unknown value, return that value."""
    try:
        segments = parse_path(path)
    except ValueError:  # a provider's own notation
        segments = (path,)
    for segment in segments:
        if isinstance(value, dict):
            value = value.get(str(segment))
        elif isinstance(value, list):
            value = value[segment] if isinstance(segment, int) and segment < len(value) else None
        else:
            break
    return value


def _parse_document(value: Value) -> tuple[str, Value]:
    """Return "json" or "yaml" and the content of a text that holds a mapping or a list; empty for other values."""
    if not isinstance(value, str):
        return "", None
    name, content = "json", None
    try:
        content = json.loads(value)
    except (ValueError, RecursionError):
        if "\n" in value:  # a text of one line may be YAML by accident
            name = "yaml"
            with suppress(RehearsalError):
                content = parse_yaml(value, "")
    return (name, content) if isinstance(content, (dict, list)) else ("", None)


def _list_changes(
    old: PropertyMap, new: PropertyMap, detailed: Mapping[str, PropertyDiff]
) -> Iterator[tuple[DiffKind, str, Value, Value]]:
    """Return the kind, the path, the old and the new value of each change; those inside JSON and YAML texts one by one.

    The path into a text names its format: `config (json) limits.memory`.
    """
    for path, entry in {**compare(old, new), **detailed}.items():
        if path.startswith("__"):
            continue
        before, after = _at(old, path), _at(new, path)
        name, former = _parse_document(before)
        new_name, latter = _parse_document(after)
        if name != new_name or type(former) is not type(latter) or former is None:
            yield entry.kind, path, before, after
            continue
        changes = compare(former, latter)
        if not changes:
            yield entry.kind, f"{path} ({name})", "the same content", "in another format"
        replaces = "-replace" if entry.kind.value.endswith("-replace") else ""
        for inner, change in changes.items():
            kind = DiffKind(change.kind.value + replaces)
            yield kind, f"{path} ({name}) {inner}", _at(former, inner), _at(latter, inner)


class Display:
    """An event sink that prints. Use it as a context manager, which removes the live tree at the end."""

    def __init__(self, console: Console, restarted_by: Mapping[str, Collection[str]] | None = None) -> None:
        """Print on `console`.

        Args:
            console: where to print.
            restarted_by: for each type of resource that is a process, the properties whose change restarts it.
        """
        self._console = console
        self._restarted_by = restarted_by or {}
        self._restarting: set[str] = set()
        self._live: Live | None = None
        self._nodes: dict[str, _Node] = {}
        self._parents: dict[str, str] = {}
        self._progress: dict[str, str] = {}
        """The state that each resource waits for, by URN."""
        self._printed: dict[str, tuple[float, str]] = {}
        """Time and text of the progress that was printed last, by URN."""
        self._operation = Operation.UP
        self._outputs: PropertyMap = {}

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=8, get_renderable=self._tree)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, OperationStarted):
            self._operation = event.operation
            self._console.print(
                f"{event.operation.value} of {event.project}/{event.stack}", style="bold", highlight=False
            )
        elif isinstance(event, StepStarted):
            self._started(event)
        elif isinstance(event, StepEnded):
            self._ended(event)
        elif isinstance(event, Diagnostic):
            if event.ephemeral:
                self._show_progress(event)
            elif event.severity is not Severity.DEBUG:
                where = f"{urn.parse(event.urn).name}: " if event.urn else ""
                self._line(f"{event.severity.value}: {where}{event.message}", _COLOURS[event.severity])
        elif isinstance(event, PolicyViolated):
            level = "mandatory" if event.mandatory else "advisory"
            self._line(
                f"policy {event.policy} ({level}): {event.urn}\n    {event.message}",
                "red" if event.mandatory else "yellow",
            )
        elif isinstance(event, StackOutputs):
            self._outputs = event.outputs
        else:
            self._finished(event)

    def _show_progress(self, event: Diagnostic) -> None:
        self._progress[event.urn] = event.message
        _, _, began, _ = self._nodes.get(event.urn, (StepOp.SAME, "", None, ""))
        if self._live is not None or began is None or not event.message:
            return
        last, text = self._printed.get(event.urn, (began, ""))
        if event.message != text and time.monotonic() - last >= _PROGRESS_S:
            self._printed[event.urn] = (time.monotonic(), event.message)
            self._line(f"     {urn.parse(event.urn).name}: {event.message}", "dim")

    def _started(self, event: StepStarted) -> None:
        self._nodes[event.urn] = (event.op, "…", time.monotonic(), "")
        self._parents[event.urn] = event.parent
        if self._operation is Operation.PREVIEW and event.op in (StepOp.UPDATE, StepOp.REPLACE):
            self._diff(event)

    def _diff(self, event: StepStarted) -> None:
        name = urn.parse(event.urn)
        old, new = event.old or {}, event.new or {}
        restarted_by = self._restarted_by.get(name.type, ())
        if restarted_by and (
            event.op is StepOp.REPLACE or any(compare(old.get(item), new.get(item)) for item in restarted_by)
        ):
            self._restarting.add(event.urn)
        for kind, path, before, after in _list_changes(old, new, event.detailed_diff):
            sign = {"add": "+", "delete": "-"}.get(kind.value.split("-")[0], "~")
            replaces = " (replaces)" if kind.value.endswith("-replace") else ""
            change = f"{show(before)} → {show(after)}"
            if kind in (DiffKind.ADD, DiffKind.ADD_REPLACE):
                change = show(after)
            self._line(f"      {sign} {name.name} {path}: {change}{replaces}", "dim")

    def _verb(self, where: str, op: StepOp) -> str:
        if where not in self._restarting or op not in (StepOp.UPDATE, StepOp.REPLACE):
            return op.value
        return "restart" if op is StepOp.UPDATE else f"restart ({op.value})"

    def _ended(self, event: StepEnded) -> None:
        status = "failed" if event.error else "done" if self._operation is not Operation.PREVIEW else ""
        self._nodes[event.urn] = (
            event.op,
            status,
            None,
            f"{event.duration_s:.1f} s" if event.duration_s >= 0.1 else "",
        )
        if self._live is None and (event.error or event.op not in _QUIET):
            name = urn.parse(event.urn)
            sign, _ = _SIGNS.get(event.op, ("?", ""))
            took = f" ({event.duration_s:.1f} s)" if event.duration_s >= 0.1 else ""
            would = "would " if self._operation is Operation.PREVIEW else ""
            verb = self._verb(event.urn, event.op)
            self._line(f"  {sign:<2} {name.type} {name.name}: {would}{verb} {status}{took}".rstrip(), "")

    def _finished(self, event: OperationEnded) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._outputs and event.operation is not Operation.DESTROY:
            self._line("outputs:", "bold")
            for key, value in self._outputs.items():
                if isinstance(value, list) and all(isinstance(item, str) for item in value):
                    self._line("\n      ".join([f"    {key}:", *map(show, value)]), "")
                else:
                    self._line(f"    {key}: {show(value)}", "")
        nothing = "nothing to do" if event.succeeded else "no changes"
        counts = ", ".join(self._count(op, count) for op, count in event.changes.items()) or nothing
        verdict = "done" if event.succeeded else "interrupted" if event.cancelled else "FAILED"
        self._line(f"{verdict}: {counts} in {event.duration_s:.1f} s", "bold" if event.succeeded else "bold red")

    def _count(self, op: StepOp, count: int) -> str:
        word = _COUNTED.get(op, op.value)
        future = self._operation is Operation.PREVIEW and op is not StepOp.SAME
        return f"{count} to be {word}" if future else f"{count} {word}"

    def _line(self, text: str, style: str) -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)

    def _tree(self) -> Tree:
        root = Tree("", hide_root=True)
        branches: dict[str, Tree] = {}
        pending = list(self._nodes)
        while pending:
            left: list[str] = []
            for where in pending:
                parent = self._parents.get(where, "")
                if parent in self._nodes and parent not in branches:
                    left.append(where)
                    continue
                branches[where] = branches.get(parent, root).add(self._label(where))
            if len(left) == len(pending):
                break
            pending = left
        return root

    def _label(self, where: str) -> Text:
        op, status, began, took = self._nodes[where]
        sign, colour = _SIGNS.get(op, ("?", ""))
        name = urn.parse(where)
        elapsed = f"{time.monotonic() - began:.0f} s" if began is not None else took
        verb = self._verb(where, op)
        label = Text.assemble((f"{sign:<2} ", colour), name.type, " ", (name.name, "bold"), f" {verb} ", elapsed)
        if began is not None and (progress := self._progress.get(where)):
            label.append(f" {progress}", "dim")
        if status == "failed":
            label.append(" failed", "red")
        return label
