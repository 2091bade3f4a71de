"""Limits of gp3 volumes, and the parameters of their storage class."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from novacron_infra.errors import Problem

# EC2 API reference, CreateVolume, and EBS user guide, General Purpose SSD volumes; read on 2026-11-25.
MAX_GIB = 65_536
MIN_IOPS, MAX_IOPS, MAX_IOPS_PER_GIB = 3_000, 80_000, 500
MIN_MIB_PER_S, MAX_MIB_PER_S, MAX_MIB_PER_S_PER_IOPS = 125, 2_000, 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Gp3Volume:
    """Size and performance of a gp3 volume."""

    size_gib: int
    iops: int
    throughput_mib_per_s: int


ROOT_VOLUME = Gp3Volume(size_gib=200, iops=10_000, throughput_mib_per_s=1_000)


def check_volume(path: str, volume: Gp3Volume) -> list[Problem]:
    """Yield the limits of EBS that a volume exceeds."""
    return [
        Problem(f"{path}.{field}", str(value), f"gp3 allows {low} to {high:g} {why}".rstrip(), "Stay within")
        for field, value, low, high, why in (
            ("size_gib", volume.size_gib, 1, MAX_GIB, ""),
            ("iops", volume.iops, MIN_IOPS, MAX_IOPS, ""),
            ("iops", volume.iops, 0, volume.size_gib * MAX_IOPS_PER_GIB, f"at {volume.size_gib} GiB"),
            ("throughput_mib_per_s", volume.throughput_mib_per_s, MIN_MIB_PER_S, MAX_MIB_PER_S, ""),
            (
                "throughput_mib_per_s",
                volume.throughput_mib_per_s,
                0,
                volume.iops * MAX_MIB_PER_S_PER_IOPS,
                f"at {volume.iops} IOPS",
            ),
        )
        if not low <= value <= high
    ]


def build_storage_class_parameters(volume: Gp3Volume, key_arn: pulumi.Input[str]) -> dict[str, pulumi.Input[str]]:
    """Return the storage class parameters (EBS CSI driver) of volumes like this one. The claim has the size."""
    return {
        "type": "gp3",
        "iops": str(volume.iops),
        "throughput": str(volume.throughput_mib_per_s),
        "encrypted": "true",
        "kmsKeyId": key_arn,
    }
