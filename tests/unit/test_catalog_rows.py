"""The catalogue's rows: dated, sourced, and consistent with themselves."""

from __future__ import annotations

import datetime as dt

import pytest
from novacron_infra.catalog import (
    Architecture,
    EngineKind,
    Machine,
    Model,
    Price,
    Quantization,
    UnknownNameError,
    UnsupportedQuantizationError,
    gpu,
    machine,
    machines,
    models,
    offered,
    resolve_quantization,
)


@pytest.mark.parametrize("row", models().values(), ids=lambda row: row.name)
def test_parameters_follow_from_the_shape(row: Model) -> None:
    tables = 1 if row.tied_embeddings else 2
    assert row.parameters == row.layers * row.layer_parameters + tables * row.embedding_parameters + row.hidden


@pytest.mark.parametrize("row", machines().values(), ids=lambda row: row.name)
def test_a_machine_says_where_its_figures_are_from(row: Machine) -> None:
    latest = dt.date(2026, 11, 25)
    assert row.as_of <= latest
    assert set(row.inferred) <= set(Machine.model_fields)
    assert row.fabric is None or row.gpu_count == 8
    if isinstance(row.price, Price):
        assert row.price.as_of <= latest
        assert row.price.region


@pytest.mark.parametrize(
    ("name", "card", "count"),
    [
        ("p4d.24xlarge", "A100-40GB", 8),
        ("p5.48xlarge", "H100-80GB", 8),
        ("a2-ultragpu-8g", "A100-80GB", 8),
        ("Standard_ND96isr_H100_v5", "H100-80GB", 8),
    ],
)
def test_the_machines_of_the_three_clouds(name: str, card: str, count: int) -> None:
    row = machine(name)
    assert (row.gpu, row.gpu_count) == (card, count)
    assert gpu(card).memory_mib % 1024 == 0


def test_a_misspelt_machine_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean .*p5\.48xlarge"):
        machine("p5.48xlrage")


def test_eight_bits_mean_fp8_on_hopper_and_nothing_on_ampere() -> None:
    engine = EngineKind.TENSORRT_LLM
    assert resolve_quantization(Quantization.INT8, engine, Architecture.HOPPER).name.value == "fp8"
    with pytest.raises(UnsupportedQuantizationError, match="use int4 or bf16"):
        resolve_quantization(Quantization.INT8, engine, Architecture.AMPERE)


@pytest.mark.parametrize("engine", EngineKind)
@pytest.mark.parametrize("architecture", [Architecture.AMPERE, Architecture.HOPPER, Architecture.BLACKWELL])
def test_whatever_is_offered_instead_is_supported(engine: EngineKind, architecture: Architecture) -> None:
    alternatives = offered(engine, architecture)
    assert alternatives
    for quantization in alternatives:
        assert resolve_quantization(quantization, engine, architecture).bytes_per_parameter > 0
