"""Which weight formats run on which GPU, compared with the planner's catalogue, and the formats of checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_serving.engines.tensorrt_llm.quantization import (
    SUPPORT,
    WIDTH_FORMATS,
    Architecture,
    Quantization,
    check_checkpoint,
    find_architecture,
    read_format,
    resolve_format,
)

CATALOG = Path(__file__).parents[4] / "infra" / "novacron_infra" / "catalog" / "quantizations.yaml"


def planner_catalog() -> dict[str, Any]:
    return yaml.safe_load(CATALOG.read_text())


def test_the_matrix_is_the_planners() -> None:
    ours = {architecture.value: [format_.value for format_ in formats] for architecture, formats in SUPPORT.items()}
    assert ours == planner_catalog()["support"]["tensorrt-llm"]


@pytest.mark.parametrize("architecture", Architecture)
@pytest.mark.parametrize("requested", Quantization)
def test_each_format_and_gpu_resolves_as_in_the_planner_or_the_error_lists_the_formats_that_run(
    requested: Quantization, architecture: Architecture
) -> None:
    catalog = planner_catalog()
    expected = catalog["meaning"].get(requested.value, {}).get(architecture.value)
    if requested not in (Quantization.INT8, Quantization.INT4):
        expected = (
            requested.value if requested.value in catalog["support"]["tensorrt-llm"][architecture.value] else None
        )
    if expected is not None:
        assert resolve_format(requested, architecture).value == expected
        return
    with pytest.raises(ValueError, match=f"{requested.value} weights do not run on {architecture.value}") as caught:
        resolve_format(requested, architecture)
    for runs in SUPPORT[architecture]:
        assert runs.value in str(caught.value)


def test_int8_is_fp8_on_hopper_and_the_error_for_ampere_suggests_int4() -> None:
    assert resolve_format(Quantization.INT8, Architecture.HOPPER) is Quantization.FP8
    with pytest.raises(ValueError, match="int8 weights do not run on ampere GPUs; use int4 or one of"):
        resolve_format(Quantization.INT8, Architecture.AMPERE)
    assert resolve_format(Quantization.INT4, Architecture.AMPERE) is Quantization.W4A16_AWQ


@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        ((8, 0), Architecture.AMPERE),
        ((8, 6), Architecture.AMPERE),
        ((8, 9), Architecture.ADA),
        ((9, 0), Architecture.HOPPER),
        ((10, 0), Architecture.BLACKWELL),
        ((12, 0), Architecture.BLACKWELL),
    ],
)
def test_the_architecture_of_a_compute_capability(capability: tuple[int, int], expected: Architecture) -> None:
    assert find_architecture(capability) is expected


@pytest.mark.parametrize("capability", [(7, 0), (7, 5), (11, 0)])
def test_a_gpu_that_is_not_in_the_matrix_is_rejected(capability: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="are not supported; supported are: ampere, ada, hopper, blackwell"):
        find_architecture(capability)


def checkpoint(folder: Path, config: dict[str, Any], modelopt: str | None = None) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    if modelopt is not None:
        (folder / "hf_quant_config.json").write_text(json.dumps({"quantization": {"quant_algo": modelopt or None}}))
    return folder


@pytest.mark.parametrize(
    ("config", "modelopt", "expected"),
    [
        ({"torch_dtype": "bfloat16"}, None, "bf16"),
        ({"dtype": "float16"}, None, "fp16"),
        ({"dtype": "bfloat16"}, "FP8", "fp8"),
        ({"dtype": "bfloat16"}, "FP8_BLOCK_SCALES", "fp8"),
        ({"dtype": "bfloat16"}, "NVFP4", "nvfp4"),
        ({"dtype": "bfloat16"}, "W4A8_AWQ", "w4a8_awq"),
        ({"dtype": "bfloat16"}, "", "bf16"),
        ({"quantization_config": {"quant_method": "fp8"}}, None, "fp8"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, None, "w4a16_awq"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, None, "w4a16_gptq"),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}}, None, "nvfp4"),
    ],
    ids=str,
)
def test_the_format_of_a_checkpoint(config: Any, modelopt: str | None, expected: str, tmp_path: Path) -> None:
    assert read_format(checkpoint(tmp_path, config, modelopt)).value == expected


@pytest.mark.parametrize(
    ("config", "modelopt"),
    [
        ({"dtype": "float32"}, None),
        ({"dtype": "bfloat16"}, "W8A8_SQ_PER_CHANNEL"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 8}}, None),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, None),
    ],
    ids=str,
)
def test_a_checkpoint_of_an_unsupported_format_is_rejected(config: Any, modelopt: str | None, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"config\.json: "):
        read_format(checkpoint(tmp_path, config, modelopt))


def test_a_checkpoint_must_run_on_the_gpu_and_have_the_requested_format(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, {"dtype": "bfloat16"}, "FP8")
    assert check_checkpoint(folder, None, Architecture.HOPPER) is Quantization.FP8
    assert check_checkpoint(folder, Quantization.INT8, Architecture.HOPPER) is Quantization.FP8
    with pytest.raises(ValueError, match="fp8 weights do not run on ampere GPUs"):
        check_checkpoint(folder, None, Architecture.AMPERE)
    with pytest.raises(ValueError, match=r"weights are fp8, but engine\.quantization int4 means w4a16_awq on hopper"):
        check_checkpoint(folder, Quantization.INT4, Architecture.HOPPER)


def test_the_documentation_has_the_matrix() -> None:
    page = (Path(__file__).parents[4] / "docs" / "tensorrt-llm.md").read_text()
    for architecture, formats in SUPPORT.items():
        meant = [
            WIDTH_FORMATS[width][architecture].value if architecture in WIDTH_FORMATS[width] else "not supported"
            for width in (Quantization.INT8, Quantization.INT4)
        ]
        cells = [architecture.value, ", ".join(format_.value for format_ in formats), *meant]
        assert f"| {' | '.join(cells)} |" in page
