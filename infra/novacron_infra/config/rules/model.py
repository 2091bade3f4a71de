"""Rules for the model."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.catalog import load_models, suggest_names
from novacron_infra.config.problems import item_path, problem
from novacron_infra.config.rules.parts import Parts
from novacron_infra.errors import Problem


def check_model(parts: Parts) -> Iterator[Problem]:
    """Check the model, its context and its profiles."""
    serving = parts.get("model")
    if serving is None:
        return
    model = load_models().get(serving.id)
    if model is None:
        rule = "it is not a model in the catalogue"
        yield problem("model.id", serving.id, rule, suggest_names(serving.id, load_models()))
    elif serving.context_tokens > model.max_context_tokens:
        rule = f"{serving.id} supports a context of at most {model.max_context_tokens} tokens"
        fix = f"Use {model.max_context_tokens} or less"
        yield problem("model.context_tokens", serving.context_tokens, rule, fix)
    names = [profile.name.value for profile in serving.profiles]
    for index, name in enumerate(names):
        if name in names[:index]:
            rule = f"model.profiles.{names.index(name)} has the same name"
            yield problem(f"model.profiles.{index}.name", name, rule, "Use each name once")
    if serving.profiles[0].minimum_replicas < 1:
        rule = "the first profile serves by default, so it needs a replica that always runs"
        path = item_path("model.profiles", serving.profiles, 0)
        yield problem(f"{path}.minimum_replicas", 0, rule, "Use 1 or more")
