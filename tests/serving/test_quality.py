"""Quality measurements: of the tiny model, in a worker's metrics, and the computation of the score.

PyTorch is imported by the functions that need it: each process of pytest imports this module.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from novacron_ops import quality
from novacron_serving.engines import ChatPrompt, GenerationRequest, Sampling
from novacron_serving.engines.pytorch import PyTorchConfig, PyTorchEngine
from novacron_serving.errors import StartError
from novacron_serving.protocol.openai import Message
from novacron_serving.quality.__main__ import run
from novacron_serving.quality.report import FILE, TEXT, Measurement, Report, find_measurement, read_report
from novacron_serving.quality.score import Comparison, compute_score
from novacron_serving.worker.__main__ import export_quality
from novacron_serving.worker.app import WorkerApp
from novacron_serving.worker.config import ModelConfig, WorkerConfig
from novacron_serving.worker.instrumentation import Instrumentation
from novacron_serving.worker.loading import Loader

from tests.unit.ops.schemas import check_output

from .stack import MODEL, TINY, TOKEN

TRAINING_TEXT = Path(__file__).parents[2] / "serving" / "training" / "text.py"
QUANTIZATIONS = ("none", "int8", "int4")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Measure the tiny model with all quantisations, and return its folder."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    shutil.copytree(TINY, folder, ignore=shutil.ignore_patterns(FILE))
    run([f"--model={folder}", *(f"--quantization={item}" for item in QUANTIZATIONS)])
    return folder


@pytest.fixture(scope="module")
def found(model: Path) -> dict[str, Measurement]:
    return {item.quantization: item for item in read_report(model / FILE).measurements}


def broken(folder: Path) -> Path:
    """Return a copy of the tiny model with shuffled weights in each layer."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(TINY, folder, ignore=shutil.ignore_patterns(FILE))
    torch.manual_seed(1)
    weights = load_file(folder / "model.safetensors")
    mixed = {
        name: item.flatten()[torch.randperm(item.numel())].reshape(item.shape) if item.dim() == 2 else item
        for name, item in weights.items()
    }
    save_file(mixed, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_an_unquantised_model_has_a_score_of_1(found: dict[str, Measurement]) -> None:
    whole = found["none"]
    assert (whole.score, whole.score_high, whole.perplexity_ratio, whole.compression_ratio) == (1, 1, 1, 1)
    assert whole.score_low > 0.998
    assert whole.mean_divergence_nats < 1e-6
    assert whole.tokens > 2000


def test_int8_is_close_to_the_reference(found: dict[str, Measurement]) -> None:
    assert 0.975 < found["int8"].score < 1
    assert found["int8"].mean_divergence_nats < 0.005
    assert found["int8"].perplexity_ratio == pytest.approx(1, abs=0.02)
    assert 2.5 < found["int8"].compression_ratio < 4


def test_int4_is_smaller_and_less_accurate_than_int8(found: dict[str, Measurement]) -> None:
    assert 0.75 < found["int4"].score < 0.93
    assert found["int4"].score_high < found["int8"].score_low
    assert found["int4"].mean_divergence_nats > 20 * found["int8"].mean_divergence_nats
    assert found["int8"].compression_ratio < found["int4"].compression_ratio < 6


def test_a_model_with_shuffled_weights_has_a_score_near_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = broken(tmp_path / "broken")
    run([f"--model={folder}", f"--reference={TINY}", "--quantization=none"])
    made = Report.model_validate_json(capsys.readouterr().out).measurements[0]
    assert made.score < 0.05
    assert made.mean_divergence_nats > 1
    assert made.model_digest != made.reference_digest
    assert made == read_report(folder / FILE).measurements[0]


def test_the_text_for_measurements_is_not_in_the_training_text() -> None:
    from novacron_serving.quality.measure import read_dialogues

    learnt = TRAINING_TEXT.read_text()
    dialogues = read_dialogues(TEXT)
    assert len({dialogue.user for dialogue in dialogues}) == len(dialogues) >= 60
    for dialogue in dialogues:
        for sentence in re.split(r"(?<=[.!?]) ", dialogue.assistant):
            assert sentence not in learnt


# what is served


@pytest.mark.parametrize(("quantization", "layer"), [("int8", "Int8Linear"), ("int4", "Int4Linear")])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_quantised_layers_compute_with_the_dequantised_weights(quantization: Any, layer: str, dtype: str) -> None:
    import torch
    from novacron_serving.engines.pytorch import weights as weights_module

    torch.manual_seed(1)
    linear = torch.nn.Linear(96, 5, dtype=getattr(torch, dtype))
    quantised = getattr(weights_module, layer)(linear)
    # Asked for each input alone, a layer tells its weights.
    weights = (quantised(torch.eye(96, dtype=linear.weight.dtype)) - linear.bias).T.float()
    off = (weights - linear.weight.float()).abs()
    span = linear.weight.float().abs().max()
    step = span / 127 if quantization == "int8" else 2 * span / 15
    rounding = 0.03 * span if dtype == "bfloat16" else 1e-3 * span
    assert off.max() <= step / 2 + rounding
    assert (linear.weight.float() - weights).abs().mean() > 0 or quantization == "int8"


def test_quantised_weights_have_the_expected_size() -> None:
    import torch
    from novacron_serving.engines.pytorch.weights import Int4Linear, Int8Linear, count_weight_bytes

    layer = torch.nn.Linear(64, 10, bias=False)
    assert count_weight_bytes(layer) == 64 * 10 * 4
    assert count_weight_bytes(Int8Linear(layer)) == 64 * 10 + 10 * 4
    assert count_weight_bytes(Int4Linear(layer)) == 64 * 10 // 2 + 2 * (64 // 32) * 10 * 2


def test_int4_rejects_layers_whose_inputs_are_not_a_multiple_of_the_group(tmp_path: Path) -> None:
    from novacron_serving.engines.pytorch.weights import load_model
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=50, hidden_size=48, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    load_model(tmp_path, "float32", "cpu", "int8")
    with pytest.raises(StartError, match="48 inputs, which is not a multiple of 32; use 'int8'"):
        load_model(tmp_path, "float32", "cpu", "int4")


async def answer(engine: PyTorchEngine) -> str:
    prompt = ChatPrompt((Message(role="user", content="What is a GPU?"),))
    request = GenerationRequest(request_id="r", prompt=prompt, sampling=Sampling(temperature=0), max_tokens=40)
    return "".join([delta.text async for delta in engine.generate(request)])


async def serve(folder: Path, config: PyTorchConfig) -> tuple[str, str]:
    """Return a completion and the metrics of a worker that serves a model folder."""
    settings = WorkerConfig(
        worker_id="w", port=0, coordinator="127.0.0.1:1", model=ModelConfig(id=MODEL, path=folder), engine=config
    )
    loader = Loader(settings, lambda here: PyTorchEngine(here, config))
    await loader.start()
    engine = loader.served.engine
    try:
        instrumentation = Instrumentation(loader.served, None)
        app = WorkerApp(settings, loader.served, TOKEN, instrumentation)
        export_quality(instrumentation, settings, loader, loader.model)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app.asgi), base_url="http://w") as client:
            return await answer(engine), (await client.get("/metrics")).text
    finally:
        await engine.unload()


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_a_worker_serves_a_quantised_model_and_exports_its_measurement(
    model: Path, found: dict[str, Measurement], quantization: Any
) -> None:
    text, metrics = asyncio.run(serve(model, PyTorchConfig(device="cpu", quantization=quantization)))
    assert "GPU is a" in text
    labels = f'{{model="{MODEL}",quantization="{quantization}"}}'
    assert f"novacron_quality_score{labels} {found[quantization].score!r}\n" in metrics
    assert f"novacron_compression_ratio{labels} {found[quantization].compression_ratio!r}\n" in metrics


def test_a_worker_exports_no_quality_without_a_matching_measurement(model: Path, tmp_path: Path) -> None:
    def silent(folder: Path, **settings: Any) -> bool:
        _, metrics = asyncio.run(serve(folder, PyTorchConfig(device="cpu", **settings)))
        return "novacron_quality_score{" not in metrics and "novacron_compression_ratio{" not in metrics

    assert silent(model, quantization="int8", dtype="bfloat16")
    other = broken(tmp_path / "other")
    assert silent(other, quantization="int8")
    shutil.copy(model / FILE, other / FILE)  # of other weights
    assert silent(other, quantization="int8")
    (other / FILE).write_text("{")
    assert silent(other, quantization="int8")


def test_a_measurement_on_another_text_is_not_used(model: Path, tmp_path: Path) -> None:
    folder, text = tmp_path / "tiny", tmp_path / "text.jsonl"
    shutil.copytree(model, folder)
    assert find_measurement(folder, "int8", "float32") is not None
    text.write_text(TEXT.read_text().splitlines()[0])
    run([f"--model={folder}", f"--text={text}", "--quantization=int8"])
    assert find_measurement(folder, "int8", "float32") is None


# the report and the command


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = [str(Path(sys.executable).with_name("novacron")), "quality"]
    return subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_the_command_fails_if_a_score_is_below_the_minimum(tmp_path: Path) -> None:
    text, report = tmp_path / "text.jsonl", tmp_path / "quality.json"
    text.write_text("".join(TEXT.read_text().splitlines(keepends=True)[:8]))
    done = command(f"--text={text}", f"--report={report}", "--json", "--minimum=0.95")
    assert done.returncode == 1
    assert re.fullmatch(r"error: int4, float32: the score 0\.\d{4} is below --minimum 0\.95\n", done.stderr)
    printed = json.loads(done.stdout)
    check_output("quality", printed)
    assert printed == json.loads(report.read_text())
    assert [item["quantization"] for item in printed["measurements"]] == ["int8", "int4"]
    assert quality.find_low_scores(quality.QualityReport.parse(done.stdout), 0.5) == []


def test_the_command_prints_a_column_per_quantisation(found: dict[str, Measurement]) -> None:
    report = Report(measurements=tuple(found.values())).model_dump_json()
    shown = "\n".join(quality.measurement_table(quality.QualityReport.parse(report)).lines())
    assert all(f"{item}, float32" in shown for item in QUANTIZATIONS)
    assert f"{found['int4'].score:.4f}" in shown
    assert "95% interval" in shown


def test_a_new_measurement_replaces_the_one_of_the_same_quantisation_and_dtype(found: dict[str, Measurement]) -> None:
    report = Report(measurements=tuple(found.values()))
    again = found["int8"].model_copy(update={"score": 0.5})
    assert set(report.with_measurement(again).measurements) == {found["none"], found["int4"], again}
    other = found["int8"].model_copy(update={"dtype": "bfloat16"})
    assert len(report.with_measurement(other).measurements) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/nowhere"], "error: '/nowhere' has no config.json; give a Hugging Face model folder\n"),
        (["--minimum=97"], "error: Invalid value for '--minimum'"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "is empty"), ('{"user": "a", "assistant": "b"}\n{"user": "a"}\n', "line 2: must be")],
)
def test_an_invalid_text_is_rejected_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    from novacron_serving.quality.measure import read_dialogues

    file = tmp_path / "text.jsonl"
    file.write_text(text)
    with pytest.raises(StartError, match=message):
        read_dialogues(file)


# the score


def comparison(tokens: int, agreed: int) -> Comparison:
    return Comparison(
        tokens=tokens,
        agreed=agreed,
        surprise_nats=2.0 * tokens,
        reference_surprise_nats=1.0 * tokens,
        divergence_nats=0.5 * tokens,
    )


def test_the_score_is_the_share_of_equal_predictions() -> None:
    made = compute_score([comparison(100, 95), comparison(300, 293)])
    assert made.score == 0.97
    assert (made.perplexity_ratio, made.mean_divergence_nats) == (pytest.approx(2.71828, abs=1e-4), 0.5)


@pytest.mark.parametrize(
    ("agreed", "low", "high"),
    [(970, 0.9575, 0.9790), (1000, 0.9962, 1.0), (0, 0.0, 0.0038)],  # Wilson's interval of as many in 1000
)
def test_the_interval_of_independent_tokens_is_wilsons(agreed: int, low: float, high: float) -> None:
    made = compute_score([comparison(100, agreed // 10)] * 10)
    assert (made.score_low, made.score_high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_differences_between_responses_widen_the_interval() -> None:
    alike, apart = (
        compute_score([comparison(100, 50)] * 10),
        compute_score([comparison(100, 0), comparison(100, 100)] * 5),
    )
    assert alike.score == apart.score
    assert apart.score_high - apart.score_low > 5 * (alike.score_high - alike.score_low)


def test_a_score_needs_tokens() -> None:
    with pytest.raises(ValueError, match="no tokens"):
        compute_score([replace(comparison(1, 1), tokens=0)])
