"""Asking the questions of `novacron init` in a terminal, and reporting what the options leave open elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import typer
from novacron_infra.shown_values import show_count

from novacron_ops.errors import Exit, OpsError
from novacron_ops.new_project.answers import Answers
from novacron_ops.new_project.derived import complete
from novacron_ops.new_project.files import FoundProblem, find_problems
from novacron_ops.new_project.questions import QUESTIONS, Question, list_questions

_SHOWN_CHOICES = 12


def check_answers(answers: Answers, *, all_needed: bool) -> None:
    """Refuse options that do not apply to the platform, values that `novacron plan` would refuse, and missing options.

    Args:
        answers: the values of the options.
        all_needed: whether nothing will be asked, so that every required option has to be there.

    Raises:
        OpsError: with all problems.
    """
    questions = list_questions(answers.platform)
    applicable = {question.field for question in questions}
    others = {question.flag: question for question in QUESTIONS if question.field not in applicable}
    found = [
        f"{flag} does not apply to platform {answers.platform.value}; remove it"
        for flag, question in others.items()
        if _is_answered(answers, question)
    ]
    if all_needed:
        found += [_describe_missing(question, answers) for question in _list_missing(questions, answers)]
    found += [_describe(problem) for problem in find_problems(answers)]
    if found:
        count = show_count(len(found), "problem")
        raise OpsError("\n".join([f"{count}:", *(f"  - {line}" for line in found)]), Exit.BAD_INPUT)


def _describe_missing(question: Question, answers: Answers) -> str:
    """Return a sentence that names the option that is missing, with some of its values."""
    choices = question.choices(answers)
    values = f", one of {_list_choices(choices)}" if choices else ""
    return f"{question.flag} is missing ({question.text}{values})"


def ask_questions(answers: Answers) -> Answers:
    """Ask for everything that has no answer yet, each question until the answer is one that `novacron plan` accepts."""
    for question in list_questions(answers.platform):
        if (question.asked or question.required(answers)) and not _is_answered(answers, question):
            answers = _ask(question, answers)
    return answers


def _ask(question: Question, answers: Answers) -> Answers:
    choices, required = question.choices(answers), question.required(answers)
    if choices:
        typer.echo(f"  {_list_choices(choices)}", err=True)
    default = choices[0] if choices else str(getattr(complete(answers), question.field) or "")
    if required and not choices:
        default = None
    while True:
        typed = typer.prompt(question.text, default=default, show_default=bool(default), err=True)
        changed = _answer(question, answers, str(typed).strip())
        if changed is None:
            typer.echo("  it must be a whole number", err=True)
            continue
        problems = [found for found in find_problems(changed) if found.question is question]
        if not problems:
            return changed
        for found in problems:
            typer.echo(f"  {found.problem}", err=True)


def _answer(question: Question, answers: Answers, typed: str) -> Answers | None:
    """Return the answers with a new one, or None for a number that is not one."""
    value: Any = typed or None
    if question.is_list:
        value = split_list([typed])
    elif question.field == "gpus" and typed:
        if not typed.isdigit():
            return None
        value = int(typed) or None
    return replace(answers, **{question.field: value})


def split_list(values: Sequence[str]) -> tuple[str, ...]:
    """Return the items of texts with commas."""
    return tuple(item.strip() for value in values for item in value.split(",") if item.strip())


def _list_missing(questions: Sequence[Question], answers: Answers) -> list[Question]:
    return [item for item in questions if item.required(answers) and not _is_answered(answers, item)]


def _is_answered(answers: Answers, question: Question) -> bool:
    return cast("object", getattr(answers, question.field)) not in (None, ())


def _list_choices(choices: Sequence[str]) -> str:
    more = len(choices) - _SHOWN_CHOICES
    return ", ".join(choices[:_SHOWN_CHOICES]) + (f" and {more} more" if more > 0 else "")


def _describe(found: FoundProblem) -> str:
    return f"{found.question.flag}: {found.problem}" if found.question else str(found.problem)
