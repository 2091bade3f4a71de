"""The digests of a serving stack's images and device plugins: which are missing, and what stands in for them.

Plans, previews and rehearsals work without digests. A run that starts pods does not: an image can change under its tag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from novacron_infra.catalog import FabricKind, find_machine
from novacron_infra.config import CloudEnvironment, Platform
from novacron_infra.config.problems import MISSING, problem
from novacron_infra.errors import Problem

WITHOUT_DIGESTS: Mapping[str, str] = {"NOVACRON_WITHOUT_DIGESTS": "true"}
"""Environment of updates that start no pods: rehearsals, and those without the objects in clusters."""
_STAND_IN = f"sha256:{'0' * 64}"
_PUSHED = {"coordinator": "coordinator", "worker": "worker-gpu"}
"""Images that are built from this repository, and their names in `novacron images`."""


def find_missing_digests(config: CloudEnvironment) -> list[Problem]:
    """Return a problem for each image without a digest; none without `clusters.serving`."""
    rule = "clusters.serving is true, and an image without a digest can change under its tag"
    return [
        problem(f"images.{name}.digest", MISSING, rule, f"Add {_describe_digest(name)}")
        for name in _list_unpinned(config)
    ]


def describe_missing_digests(config: CloudEnvironment) -> Iterator[str]:
    """Yield a sentence for each image without a digest, for the warnings of a plan."""
    for name in _list_unpinned(config):
        yield (
            f"images.{name}.digest is missing: previews and rehearsals use zeros, and `novacron up` needs "
            f"{_describe_digest(name)}"
        )


def add_stand_ins(config: CloudEnvironment) -> CloudEnvironment:
    """Return the environment with zeros for missing digests."""
    images = config.images
    pinned = {name: getattr(images, name).model_copy(update={"digest": _STAND_IN}) for name in _list_unpinned(config)}
    return config.model_copy(update={"images": images.model_copy(update=pinned)})


def _describe_digest(name: str) -> str:
    built = _PUSHED.get(name)
    return "the digest that you tested" if built is None else f"the digest that `novacron images push {built}` prints"


def _list_unpinned(config: CloudEnvironment) -> list[str]:
    """Return the keys of the images that the clusters run and that have no digest."""
    if not config.clusters.serving:
        return []
    on_aws = [region for region in config.regions if region.find_platform(config.platform) is Platform.AWS]
    machines = [region.choose_machine("workers", config.workers.machine) for region in on_aws]
    fabrics = [find_machine(machine).fabric for machine in machines if machine is not None]
    used = list(_PUSHED)
    if on_aws:
        used.append("nvidia_device_plugin")
    if any(fabric is not None and fabric.kind is FabricKind.EFA for fabric in fabrics):
        used.append("efa_device_plugin")
    return [name for name in used if getattr(config.images, name).digest is None]
