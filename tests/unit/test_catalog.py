"""Every entry of the catalogue has a date and a source, and its figures agree."""

from __future__ import annotations

import datetime as dt

import botocore.session
import pytest
from novacron_infra.catalog import (
    Architecture,
    Capacity,
    Cloud,
    EngineKind,
    Gpu,
    Machine,
    Model,
    PriceList,
    Quantization,
    UnknownNameError,
    UnsupportedQuantizationError,
    find_gpu,
    find_machine,
    list_supported_quantizations,
    load_catalog,
    load_gpus,
    load_machines,
    load_models,
    load_offer_lists,
    load_region_lists,
    resolve_quantization,
)

from tests.unit.config.environments import plan, read_stack


@pytest.mark.parametrize("model", load_models().values(), ids=lambda model: model.name)
def test_the_number_of_parameters_follows_from_the_layers(model: Model) -> None:
    assert model.parameters == model.computed_parameters


@pytest.mark.parametrize("machine_type", load_machines().values(), ids=lambda machine_type: machine_type.name)
def test_the_figures_of_a_machine_have_a_date(machine_type: Machine) -> None:
    assert machine_type.as_of <= dt.date(2026, 11, 30)
    assert set(machine_type.inferred) <= set(Machine.model_fields)
    assert machine_type.fabric is None or machine_type.gpu_count


def test_the_gpu_machines_of_the_three_clouds_are_here() -> None:
    families = ["g5.", "g6.", "g6e.", "g7e.", "p4d.", "p4de.", "p5.", "p5e.", "p5en.", "p6-b200.", "p6-b300."]
    families += ["a2-highgpu", "a2-ultragpu", "a3-highgpu", "a3-megagpu", "a3-ultragpu", "a4-highgpu", "a4x-highgpu"]
    families += ["g2-standard", "g4-standard", "Standard_ND96", "Standard_ND128isr_NDR_GB200", "Standard_NC"]
    for family in families:
        assert any(item.gpu for name, item in load_machines().items() if name.startswith(family)), family


@pytest.mark.parametrize("gpu", load_gpus().values(), ids=lambda gpu: gpu.name)
def test_narrower_numbers_are_faster(gpu: Gpu) -> None:
    assert gpu.speed is not None
    widths = [gpu.speed.bf16_tflops, gpu.speed.fp8_tflops, gpu.speed.fp4_tflops]
    known = [width for width in widths if width is not None]
    assert known == sorted(known)
    assert (gpu.speed.fp8_tflops is None) == (gpu.architecture is Architecture.AMPERE)


@pytest.mark.parametrize("prices", load_catalog().prices, ids=lambda prices: f"{prices.cloud.value}-{prices.as_of}")
def test_prices_are_of_known_machines_and_regions(prices: PriceList) -> None:
    names = load_region_lists().get(prices.cloud)
    for machine, regions in prices.usd_per_hour.items():
        assert find_machine(machine).cloud is prices.cloud
        assert names is None or set(regions) <= set(names.names)
        assert not prices.covers or set(regions) <= set(prices.covers)


@pytest.mark.parametrize("stack", ["prod", "staging", "dev"])
def test_the_regions_of_our_stacks_are_known_to_sell_their_machines(stack: str) -> None:
    assert plan(read_stack(stack)).unknown_offers == ()


@pytest.mark.parametrize("machine_type", load_machines().values(), ids=lambda machine_type: machine_type.name)
def test_every_machine_says_how_its_cloud_sells_it(machine_type: Machine) -> None:
    sold = machine_type.sold
    assert sold is not None
    only = {Capacity.CAPACITY_BLOCK: Cloud.AWS, Capacity.FLEX_START: Cloud.GCP, Capacity.QUEUED: Cloud.GCP}
    assert all(only.get(capacity, machine_type.cloud) is machine_type.cloud for capacity in sold.capacities)
    assert Capacity.FLEX_START in sold.capacities or not sold.compact_flex_start
    assert len(set(sold.capacities)) == len(sold.capacities)


@pytest.mark.parametrize(
    ("name", "gpu", "count"),
    [
        ("p4d.24xlarge", "A100-40GB", 8),
        ("p5.48xlarge", "H100-80GB", 8),
        ("a2-ultragpu-8g", "A100-80GB", 8),
        ("Standard_ND96isr_H100_v5", "H100-80GB", 8),
    ],
)
def test_machines_of_the_three_clouds_have_their_gpus(name: str, gpu: str, count: int) -> None:
    machine_type = find_machine(name)
    assert (machine_type.gpu, machine_type.gpu_count) == (gpu, count)
    assert find_gpu(gpu).memory_mib % 1024 == 0


def test_aws_regions_are_those_that_botocore_knows() -> None:
    session = botocore.session.get_session()
    partitions = ("aws", "aws-cn", "aws-us-gov", "aws-eusc")  # the others are not reached from the internet
    known = {name for partition in partitions for name in session.get_available_regions("ec2", partition)}
    assert known == set(load_region_lists()[Cloud.AWS].names)


@pytest.mark.parametrize("cloud", load_region_lists())
def test_every_region_that_offers_a_machine_is_in_its_clouds_list(cloud: Cloud) -> None:
    lists = [item for item in load_offer_lists() if item.cloud is cloud]
    offering = {name for item in lists for regions in (item.covers, *item.offers.values()) for name in regions}
    assert offering <= set(load_region_lists()[cloud].names)


def test_a_misspelt_machine_suggests_similar_names() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean .*p5\.48xlarge"):
        find_machine("p5.48xlrage")


def test_eight_bits_mean_fp8_on_hopper_and_nothing_on_ampere() -> None:
    engine = EngineKind.TENSORRT_LLM
    assert resolve_quantization(Quantization.INT8, engine, Architecture.HOPPER).name.value == "fp8"
    with pytest.raises(UnsupportedQuantizationError, match="Use int4 or bf16"):
        resolve_quantization(Quantization.INT8, engine, Architecture.AMPERE)


@pytest.mark.parametrize("engine", EngineKind)
@pytest.mark.parametrize("architecture", [Architecture.AMPERE, Architecture.HOPPER, Architecture.BLACKWELL])
def test_every_suggested_quantization_is_supported(engine: EngineKind, architecture: Architecture) -> None:
    alternatives = list_supported_quantizations(engine, architecture)
    assert alternatives
    for quantization in alternatives:
        assert resolve_quantization(quantization, engine, architecture).bytes_per_parameter > 0
