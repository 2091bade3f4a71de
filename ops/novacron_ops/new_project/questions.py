"""The questions of `novacron init`, each with its option on the command line."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from novacron_infra.catalog import load_models
from novacron_infra.config import Platform

from novacron_ops.new_project.answers import Answers
from novacron_ops.new_project.derived import complete, is_cloud, is_production, list_machines, list_regions

_CLOUDS = frozenset(platform for platform in Platform if is_cloud(platform))
_KUBERNETES = frozenset([Platform.KUBERNETES])
_EVERYWHERE = frozenset(Platform)


def _never(answers: Answers) -> bool:
    del answers
    return False


def _always(answers: Answers) -> bool:
    del answers
    return True


def _has_several_regions(answers: Answers) -> bool:
    return len(answers.regions) > 1


def _no_choices(answers: Answers) -> list[str]:
    del answers
    return []


def _list_models(answers: Answers) -> list[str]:
    del answers
    return list(load_models())


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question, which an option answers as well."""

    field: str
    """The field of `Answers`."""
    flag: str
    text: str
    """The prompt, a noun phrase."""
    platforms: Collection[Platform] = _EVERYWHERE
    """The platforms that it applies to."""
    paths: tuple[str, ...]
    """The keys below `novacron:environment` whose problems the answer causes."""
    required: Callable[[Answers], bool] = _never
    """Whether there is no value that suits everybody. A terminal asks these questions, a pipe needs the option."""
    choices: Callable[[Answers], list[str]] = _no_choices
    """The values to choose from, the best one first; empty if there is no list."""
    asked: bool = True
    """Whether a terminal asks it even if it is not required; otherwise only the option answers it."""

    @property
    def is_list(self) -> bool:
        """Whether the answer is a list, separated by commas."""
        return self.field in ("regions", "admins")


def list_questions(platform: Platform) -> list[Question]:
    """Return the questions about an environment on a platform, in the order in which they are asked."""
    return [question for question in QUESTIONS if platform in question.platforms]


QUESTIONS = (
    Question(field="stack", flag="--stack", text="Name of the stack", paths=("environment",)),
    Question(
        field="model",
        flag="--model",
        text="Model of the catalogue",
        platforms=_CLOUDS,
        paths=("model.id", "model.context_tokens"),
        required=_always,
        choices=_list_models,
    ),
    Question(
        field="machine",
        flag="--machine",
        text="GPU machine, the cheapest first",
        platforms=_CLOUDS,
        paths=("workers.machine", "model.profiles"),
        required=_always,
        choices=lambda answers: [item.name for item in list_machines(answers)],
    ),
    Question(
        field="gpus",
        flag="--gpus",
        text="GPUs of each worker",
        platforms=_CLOUDS,
        paths=("workers",),
        asked=False,  # the usual answer is all of the machine's
    ),
    Question(
        field="regions",
        flag="--region",
        text="Regions, the primary first",
        platforms=_CLOUDS,
        paths=("regions",),
        required=_always,
        choices=lambda answers: list_regions(complete(answers)),
    ),
    Question(
        field="admins",
        flag="--admin",
        text="Administrators of the clusters",
        platforms=_CLOUDS,
        paths=("clusters.admins",),
        required=_always,
    ),
    Question(
        field="account",
        flag="--account",
        text="Project of Google Cloud",
        platforms=frozenset([Platform.GCP]),
        paths=("accounts", "model.store"),
        required=_always,
    ),
    Question(
        field="account",
        flag="--account",
        text="Subscription of Azure",
        platforms=frozenset([Platform.AZURE]),
        paths=("accounts", "model.store"),
        required=_always,
    ),
    Question(
        field="domain",
        flag="--domain",
        text="Domain name that clients use",
        platforms=_CLOUDS,
        paths=("traffic",),
        required=_has_several_regions,
    ),
    Question(
        field="alarm_receiver",
        flag="--alarm-receiver",
        text="Receiver of alarms",
        platforms=_CLOUDS,
        paths=("alarms",),
        required=is_production,
        asked=False,
    ),
    Question(
        field="coordinator_image",
        flag="--coordinator-image",
        text="Image of the coordinators",
        platforms=_KUBERNETES,
        paths=("images.coordinator",),
        required=_always,
    ),
    Question(
        field="worker_image",
        flag="--worker-image",
        text="Image of the workers",
        platforms=_KUBERNETES,
        paths=("images.worker",),
        required=_always,
    ),
    Question(
        field="model",
        flag="--model",
        text="Folder of the model in a store, such as s3://models/mine (empty: a tiny model)",
        platforms=_KUBERNETES,
        paths=("model",),
    ),
    Question(
        field="gpus",
        flag="--gpus",
        text="GPUs of each worker (empty: none)",
        platforms=_KUBERNETES,
        paths=("workers",),
    ),
    Question(
        field="model",
        flag="--model",
        text="Hugging Face folder of the model (empty: a tiny model)",
        platforms=frozenset([Platform.LOCAL]),
        paths=("model",),
    ),
)
