"""The configuration keys that have a new name. A stack file with an old name gets an error that states the new one."""

from __future__ import annotations

from collections.abc import Sequence

RENAMED_KEYS = {
    "autoscaling.gpu_target_fraction": "autoscaling.kv_cache_full_fraction",
    "coordinator.answer_cache": "coordinator.response_cache",
    "clusters.in_cluster": "clusters.add_ons",
    "workers.spot_fraction": "workers.capacity.fraction",
    "regions.*.elsewhere": "regions.*.overrides",
}
"""The new path of each old path below `novacron:environment`; `*` stands for the number of a list's item.

Add a line whenever you rename a key, and never remove one.
"""


def find_new_key(location: Sequence[int | str]) -> tuple[int | str, ...] | None:
    """Return the new location of the key at `location`, or None when the key never had another name."""
    pattern = ".".join("*" if isinstance(step, int) else step for step in location)
    new = RENAMED_KEYS.get(pattern)
    if new is None:
        return None
    numbers = iter([step for step in location if isinstance(step, int)])
    return tuple(next(numbers) if step == "*" else step for step in new.split("."))
