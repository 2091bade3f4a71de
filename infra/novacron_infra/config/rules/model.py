"""Rules for the model and its targets."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.catalog import load_models, suggest_names
from novacron_infra.config.problems import item_path, problem
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.sections.targets import Range
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


def check_targets(parts: Parts) -> Iterator[Problem]:
    """Check the order of percentiles and bounds, and that quality is a fraction."""
    targets = parts.get("targets")
    if targets is None:
        return
    latencies = {
        "time_to_first_token_s": targets.time_to_first_token_s,
        "inter_token_latency_s": targets.inter_token_latency_s,
    }
    for name, latency in latencies.items():
        if latency.p50 > latency.p95:
            rule = f"it is more than targets.{name}.p95, {latency.p95:g}"
            fix = f"Use {latency.p95:g} or less, or raise p95"
            yield problem(f"targets.{name}.p50", latency.p50, rule, fix)
    ranges = {
        "throughput_tokens_per_s": targets.throughput_tokens_per_s,
        "quality_fraction": targets.quality_fraction,
        "weights_in_use_gb": targets.weights_in_use_gb,
    }
    for name, bounds in ranges.items():
        yield from _check_range(f"targets.{name}", bounds)
    quality = targets.quality_fraction
    for name, value in (("minimum", quality.minimum), ("maximum", quality.maximum)):
        if value is not None and value > 1:
            fix = f"Write {value:g}% as {value / 100:g}" if value <= 100 else "Use a fraction such as 0.97"
            yield problem(f"targets.quality_fraction.{name}", value, "a fraction is at most 1", fix)


def _check_range(path: str, bounds: Range) -> Iterator[Problem]:
    if bounds.maximum is not None and bounds.minimum > bounds.maximum:
        rule = f"it is more than {path}.maximum, {bounds.maximum:g}"
        fix = f"Use {bounds.maximum:g} or less, or raise the maximum"
        yield problem(f"{path}.minimum", bounds.minimum, rule, fix)
