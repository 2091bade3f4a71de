"""The files of a new project: their text, the problems of the configuration in them, and writing them."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from novacron_infra.config import OWN_STORE, CloudEnvironment, load
from novacron_infra.config.problems import KEY
from novacron_infra.errors import ConfigurationError, Problem
from novacron_infra.plan import plan_environment
from pydantic import BaseModel

from novacron_ops.errors import Exit, OpsError
from novacron_ops.new_project.answers import Answers
from novacron_ops.new_project.derived import complete, derive, is_cloud
from novacron_ops.new_project.questions import Question, list_questions
from novacron_ops.project import STACK_NAME_RULE, is_stack_name

_PROGRAM = "__main__.py"


@dataclass(frozen=True)
class FoundProblem:
    """A problem of a new configuration, with the question whose answer causes it; None if it is not known."""

    question: Question | None
    problem: Problem


def render_files(folder: Path, answers: Answers) -> dict[Path, str]:
    """Return the text of each file of a new project, by path."""
    virtualenv = _find_virtualenv(folder)
    return {
        folder / "Pulumi.yaml": _render("Pulumi.yaml.j2", a=answers, virtualenv=virtualenv),
        folder / f"Pulumi.{complete(answers).stack}.yaml": _render_stack(answers),
        folder / _PROGRAM: _render("__main__.py.j2"),
        folder / ".gitignore": _render("gitignore.j2"),
    }


def find_problems(answers: Answers) -> list[FoundProblem]:
    """Return what `novacron plan` would object to. Questions without an answer count as answered well."""
    questions = list_questions(answers.platform)
    stack = str(complete(answers).stack)
    if not is_stack_name(stack):
        return [FoundProblem(questions[0], Problem("stack", stack, STACK_NAME_RULE, "Use a name such as dev"))]
    environment = yaml.safe_load(_render_stack(answers))["config"][KEY]
    try:
        config = load(environment)
        if isinstance(config, CloudEnvironment):
            plan_environment(config)
    except ConfigurationError as error:
        return [FoundProblem(_find_question(questions, item), item) for item in error.problems]
    return []


def write_files(files: Mapping[Path, str]) -> None:
    """Write files that do not exist yet, or none of them.

    Raises:
        OpsError: if one exists, or cannot be written.
        KeyboardInterrupt: Ctrl-C; the files that were written are removed again.
    """
    taken = [str(file) for file in files if file.exists() or file.is_symlink()]
    if taken:
        raise OpsError(
            f"{', '.join(taken)} {'exists' if len(taken) == 1 else 'exist'} already, and `novacron init` overwrites "
            "nothing; name an empty folder",
            Exit.BAD_INPUT,
        )
    written: list[Path] = []
    try:
        for file, text in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as opened:
                written.append(file)
                opened.write(text)
    except (OSError, KeyboardInterrupt) as error:
        for file in written:
            file.unlink(missing_ok=True)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise OpsError(f"{error.filename} cannot be written: {error.strerror}", Exit.BAD_INPUT) from error


def _find_question(questions: Sequence[Question], problem: Problem) -> Question | None:
    """Return the question with the longest path that is the problem's, or contains it."""
    path = re.sub(r"\[[^]]*\]|\.\d+", "", problem.path).removeprefix(f"{KEY}.")
    causes = {
        key: question
        for question in questions
        for key in question.paths
        if path == key or path.startswith(f"{key}.") or key.startswith(f"{path}.")
    }
    return causes[max(causes, key=len)] if causes else None


def _render_stack(answers: Answers) -> str:
    completed = complete(answers)
    if is_cloud(completed.platform):
        store_kind = OWN_STORE[completed.platform].value
        return _render("cloud.yaml.j2", a=completed, d=derive(completed), store_kind=store_kind)
    model_id = (completed.model or "").rstrip("/").rpartition("/")[2] or "model"
    return _render(f"{completed.platform.value}.yaml.j2", a=completed, model_id=model_id)


def _render(template: str, **values: object) -> str:
    environment = Environment(
        loader=PackageLoader("novacron_ops.new_project"),
        autoescape=False,  # noqa: S701 - the files are YAML and Python; `yaml` quotes the values
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["yaml"] = _write_yaml
    return environment.get_template(template).render(**values)


def _write_yaml(value: object) -> str:
    """Return a value as YAML in one line."""
    if isinstance(value, BaseModel):
        value = json.loads(value.model_dump_json())
    plain = _simplify(value)
    text = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, sort_keys=False, width=math.inf)
    return text.removesuffix("\n").removesuffix("\n...")


def _simplify(value: object) -> object:
    """Return a value with lists for tuples, and whole numbers where a fraction is 0."""
    if isinstance(value, dict):
        return {key: _simplify(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_simplify(item) for item in cast("Sequence[Any]", value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _find_virtualenv(folder: Path) -> str | None:
    """Return the path of this command's virtual environment below the project's folder, or None."""
    if sys.prefix == sys.base_prefix or not Path(sys.prefix).is_relative_to(folder.resolve()):
        return None
    return Path(sys.prefix).relative_to(folder.resolve()).as_posix()
