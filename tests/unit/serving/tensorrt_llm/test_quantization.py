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


PUBLISHED = Path(__file__).parent / "published_support_matrix.yaml"
ROWS = {
    "Blackwell(sm120)": Architecture.BLACKWELL_SM120,
    "Blackwell(sm100/103)": Architecture.BLACKWELL,
    "Hopper": Architecture.HOPPER,
    "Ada Lovelace": Architecture.ADA,
    "Ampere": Architecture.AMPERE,
}
COLUMNS = {
    "NVFP4": "nvfp4",
    "MXFP4": "mxfp4",
    "FP8(per tensor)": "fp8",
    "FP8(block scaling)": "fp8_block",
    "FP8(rowwise)": "fp8_rowwise",
    "W4A8 AWQ": "w4a8_awq",
    "W4A16 AWQ": "w4a16_awq",
    "W4A8 GPTQ": "w4a8_gptq",
    "W4A16 GPTQ": "w4a16_gptq",
}


def test_the_matrix_is_nvidias() -> None:
    published = yaml.safe_load(PUBLISHED.read_text())
    assert set(published["columns"]) == {*COLUMNS, "FP8 KV Cache"}
    assert {ROWS[row] for row in published["rows"]} == set(Architecture)
    for row, columns in published["rows"].items():
        assert set(columns) <= set(published["columns"])
        assert "FP8 KV Cache" in columns, "kv_cache fp8 is accepted on every GPU"
        formats = {format_.value for format_ in SUPPORT[ROWS[row]]}
        assert formats == {"fp16", "bf16", *(COLUMNS[column] for column in columns if column in COLUMNS)}, row


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
        ((10, 3), Architecture.BLACKWELL),
        ((12, 0), Architecture.BLACKWELL_SM120),
    ],
)
def test_the_architecture_of_a_compute_capability(capability: tuple[int, int], expected: Architecture) -> None:
    assert find_architecture(capability) is expected


@pytest.mark.parametrize("capability", [(7, 0), (7, 5), (11, 0), (12, 1)])
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
        ({"dtype": "bfloat16"}, "FP8_BLOCK_SCALES", "fp8_block"),
        ({"dtype": "bfloat16"}, "FP8_PB_WO", "fp8_block"),
        ({"dtype": "bfloat16"}, "FP8_PER_CHANNEL_PER_TOKEN", "fp8_rowwise"),
        ({"dtype": "bfloat16"}, "W4A8_MXFP4_MXFP8", "mxfp4"),
        ({"dtype": "bfloat16"}, "NVFP4", "nvfp4"),
        ({"dtype": "bfloat16"}, "W4A8_AWQ", "w4a8_awq"),
        ({"dtype": "bfloat16"}, "", "bf16"),
        ({"quantization_config": {"quant_method": "fp8"}}, None, "fp8"),
        ({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}, None, "fp8_block"),
        ({"quantization_config": {"quant_method": "mxfp4"}}, None, "mxfp4"),
        ({"text_config": {"dtype": "bfloat16"}}, None, "bf16"),
        ({"dtype": "bfloat16", "text_config": {"quantization_config": {"quant_method": "fp8"}}}, None, "fp8"),
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
        ({"quantization_config": {"quant_method": "modelopt"}}, None),
        ({"quantization_config": "fp8"}, None),
        ({"dtype": ["bfloat16"]}, None),
        ({"text_config": 3}, None),
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


@pytest.mark.parametrize("modelopt", ["FP8", "FP8_BLOCK_SCALES", "FP8_PER_CHANNEL_PER_TOKEN"])
def test_fp8_accepts_each_scaling_that_the_gpu_supports(modelopt: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, {"dtype": "bfloat16"}, modelopt)
    found = read_format(folder)
    for architecture in Architecture:
        if found in SUPPORT[architecture]:
            for requested in (Quantization.FP8, Quantization.INT8, found):
                assert check_checkpoint(folder, requested, architecture) is found
        else:
            with pytest.raises(ValueError, match=f"{found.value} weights do not run on {architecture.value}"):
                check_checkpoint(folder, None, architecture)


def test_a_configuration_with_an_exact_scaling_accepts_no_other(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, {"dtype": "bfloat16"}, "FP8")
    with pytest.raises(ValueError, match=r"weights are fp8, but engine\.quantization fp8_block means fp8_block"):
        check_checkpoint(folder, Quantization.FP8_BLOCK, Architecture.BLACKWELL)


@pytest.mark.parametrize("content", ["[]", "{", "3", "[" * 100_000])
def test_a_config_must_be_a_json_object(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config\.json is not "):
        read_format(tmp_path)


def test_the_documentation_has_the_matrix() -> None:
    page = (Path(__file__).parents[4] / "docs" / "tensorrt-llm.md").read_text()
    for architecture, formats in SUPPORT.items():
        meant = [
            WIDTH_FORMATS[width][architecture].value if architecture in WIDTH_FORMATS[width] else "not supported"
            for width in (Quantization.INT8, Quantization.INT4)
        ]
        cells = [architecture.value, ", ".join(format_.value for format_ in formats), *meant]
        assert f"| {' | '.join(cells)} |" in page
