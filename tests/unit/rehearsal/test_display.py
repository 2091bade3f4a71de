"""The display of a run: plain lines without a terminal, and secrets redacted."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping

import pytest
from novacron_rehearsal.display import Display, show
from novacron_rehearsal.events import (
    Diagnostic,
    Event,
    Operation,
    OperationEnded,
    OperationStarted,
    PolicyViolated,
    Severity,
    StackOutputs,
    StepEnded,
    StepOp,
    StepStarted,
)
from novacron_rehearsal.values import UNKNOWN, Output, Secret, Value
from rich.console import Console

DATABASE = "urn:pulumi:dev::shop::aws:rds/instance:Instance::database"
SECRET = Secret({"password": "hunter2"})


def shown(*events: Event, terminal: bool = False, restarted_by: Mapping[str, Collection[str]] | None = None) -> str:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=60, color_system=None)
    with Display(console, restarted_by) as display:
        for event in events:
            display(event)
    return text.getvalue()


def a_run(operation: Operation) -> list[Event]:
    old: dict[str, Value] = {"password": Secret("hunter1"), "size": 1, "deep": {"a": [Secret("hunter3"), 7], "b:c": 1}}
    new: dict[str, Value] = {"password": Secret("hunter2"), "size": 2, "deep": {"a": [Secret("hunter4"), 8], "b:c": 2}}
    return [
        OperationStarted(operation, "shop", "dev", 16),
        StepStarted(DATABASE, StepOp.UPDATE, old=old, new=new),
        StepEnded(DATABASE, StepOp.UPDATE, duration_s=1.26),
        StackOutputs({"address": "10.0.0.1", "login": SECRET, "all": ["x", Output("hunter5", secret=True)]}),
        OperationEnded(operation, {StepOp.UPDATE: 1, StepOp.SAME: 2}, 3.21, succeeded=True),
    ]


def test_a_run_without_a_terminal_is_plain_lines() -> None:
    assert shown(*a_run(Operation.UP)).splitlines() == [
        "up of shop/dev",
        "  ~  aws:rds/instance:Instance database: update done (1.3 s)",
        "outputs:",
        "    address: 10.0.0.1",
        "    login: [secret]",
        '    all: ["x", "[secret]"]',
        "done: 1 updated, 2 unchanged in 3.2 s",
    ]


def test_a_preview_shows_what_would_change() -> None:
    text = shown(*a_run(Operation.PREVIEW))
    assert "~ database size: 1 → 2" in text
    assert "~ database password: [secret] → [secret]" in text
    assert "~ database deep.a[1]: 7 → 8" in text
    assert '~ database deep["b:c"]: 1 → 2' in text
    assert "would update" in text


CONFIG = '{"http_port": 8080, "limits": {"streams": [1, 2]}, "token": "x"}'
UNIT = "[Unit]\nDescription=A text that is not YAML: at all: no\n"


def preview_of(old: dict[str, Value], new: dict[str, Value], op: StepOp = StepOp.UPDATE) -> list[str]:
    restarted_by = {"aws:rds/instance:Instance": ("config",)}
    run: list[Event] = [
        OperationStarted(Operation.PREVIEW, "shop", "dev", 16),
        StepStarted(DATABASE, op, old=old, new=new),
        StepEnded(DATABASE, op),
    ]
    return shown(*run, restarted_by=restarted_by).splitlines()[1:]


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (
            CONFIG,
            '{"http_port": 8081, "limits": {"streams": [1, 3]}, "added": null}',
            [
                "+ database config (json) added: null",
                "~ database config (json) http_port: 8080 → 8081",
                "~ database config (json) limits.streams[1]: 2 → 3",
                "- database config (json) token: x → null",
            ],
        ),
        ("a: 1\nb: [x]\n", "a: 1\nb: [y]\n", ["~ database config (yaml) b[0]: x → y"]),
        ("[1, 2]", "[1, 3]", ["~ database config (json) [1]: 2 → 3"]),
        ('{"a": 1}', '{"a":1}', ["~ database config (json): the same content → in another format"]),
        ('{"a": 1}', "[1]", ['~ database config: {"a": 1} → [1]']),
        ('{"a": 1}', UNKNOWN, ['~ database config: {"a": 1} → [unknown]']),
        (Secret(CONFIG), Secret('{"http_port": 1}'), ["~ database config: [secret] → [secret]"]),
        ("10", "11", ["~ database config: 10 → 11"]),
        ("key: a text", "key: another", ["~ database config: key: a text → key: another"]),
        (UNIT, UNIT + "x", [f"~ database config: {UNIT} → {UNIT}x"]),
    ],
    ids=["JSON", "YAML", "a list", "format", "another kind", "unknown", "secret", "a number", "one line", "text"],
)
def test_a_preview_shows_the_changes_inside_json_and_yaml_texts(old: Value, new: Value, changes: list[str]) -> None:
    *lines, last = preview_of({"config": old}, {"config": new})
    assert "\n".join(lines) == "\n".join(f"      {change}" for change in changes)
    assert last == "  ~  aws:rds/instance:Instance database: would restart"


def test_a_preview_says_which_changes_restart_a_process() -> None:
    assert preview_of({"size": 1}, {"size": 2})[-1].endswith("would update")
    assert preview_of({"config": "a"}, {"config": "b"})[-1].endswith("would restart")
    assert preview_of({"size": 1}, {"size": 2}, StepOp.REPLACE)[-1].endswith("would restart (replace)")


def test_secrets_are_never_shown() -> None:
    for operation in Operation:
        for terminal in (False, True):
            assert "hunter" not in shown(*a_run(operation), terminal=terminal)
    assert show({"a": SECRET, "b": UNKNOWN}) == '{"a": "[secret]", "b": "[unknown]"}'
    assert "hunter" not in repr(SECRET)


def test_a_terminal_shows_what_a_step_waits_for() -> None:
    waiting = Diagnostic(Severity.INFO, "for 2 pods", DATABASE, ephemeral=True)
    assert "for 2 pods" in shown(StepStarted(DATABASE, StepOp.CREATE), waiting, terminal=True)


def test_without_a_terminal_the_progress_of_a_long_step_is_printed_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = io.StringIO()
    now = [100.0]
    monkeypatch.setattr("novacron_rehearsal.display.time.monotonic", lambda: now[0])
    with Display(Console(file=text, width=60)) as display:
        display(StepStarted(DATABASE, StepOp.CREATE))
        for seconds, message in ((1, "first"), (11, "second"), (15, "third"), (22, "fourth"), (40, "fourth"), (41, "")):
            now[0] = 100.0 + seconds
            display(Diagnostic(Severity.INFO, message, DATABASE, ephemeral=True))
    assert text.getvalue().splitlines() == ["     database: second", "     database: fourth"]


def test_failures_diagnostics_and_policy_violations_are_shown_in_words() -> None:
    lines = shown(
        StepEnded(DATABASE, StepOp.CREATE, error="quota"),
        Diagnostic(Severity.ERROR, "quota [red]exceeded[/red]", DATABASE),
        Diagnostic(Severity.DEBUG, "not for people"),
        Diagnostic(Severity.INFO, "still waiting", ephemeral=True),
        PolicyViolated("costs", "budget", "too dear", DATABASE, mandatory=True),
        OperationEnded(Operation.UP, {}, 0.04, succeeded=False),
    ).splitlines()
    assert lines == [
        "  +  aws:rds/instance:Instance database: create failed",
        "error: database: quota [red]exceeded[/red]",
        f"policy budget (mandatory): {DATABASE}",
        "    too dear",
        "FAILED: no changes in 0.0 s",
    ]
    ended = OperationEnded(Operation.UP, {StepOp.CREATE: 2}, 0.04, succeeded=False, cancelled=True)
    assert shown(ended) == "interrupted: 2 created in 0.0 s\n"
