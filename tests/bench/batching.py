"""Tokens per second of the PyTorch engine with 1, 4 and 16 concurrent requests: `make bench-batching`.

Each request generates its maximum number of tokens, because the end token is forbidden. The baseline has one slot, so
that requests wait for each other. Rates are medians of several runs.

`python -m tests.bench.batching [--model FOLDER] [--device cuda] [--quantization int4] [--threads 2] [--tokens 96]
[--runs 3] [--guided]`
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from pathlib import Path

from novacron_serving.engines import ChatPrompt, GenerationRequest, Guide, GuideKind, Sampling
from novacron_serving.engines.pytorch import PyTorchConfig, PyTorchEngine
from novacron_serving.protocol.openai import Message

TINY = Path(__file__).parents[2] / "serving" / "novacron_serving" / "models" / "tiny"
END = 1
CONCURRENCY = (1, 4, 16)
GUIDE = Guide(GuideKind.JSON_SCHEMA, '{"type": "array", "items": {"type": "integer"}, "minItems": 1000}')


def request(number: int, tokens: int, guided: bool) -> GenerationRequest:
    return GenerationRequest(
        request_id=f"r{number}",
        prompt=ChatPrompt((Message(role="user", content="Tell me a story. " * (1 + number % 4)),)),
        sampling=Sampling(temperature=0.8, top_p=0.95, seed=number, logit_bias={END: -100}),
        max_tokens=tokens,
        guide=GUIDE if guided else None,
    )


async def rate(engine: PyTorchEngine, concurrent: int, tokens: int, guided: bool) -> float:
    """Return the tokens per second of all requests together."""

    async def one(number: int) -> int:
        made = 0
        async for delta in engine.generate(request(number, tokens, guided)):
            made = delta.completion_tokens
        return made

    began = time.perf_counter()
    made = await asyncio.gather(*(one(number) for number in range(concurrent)))
    return sum(made) / (time.perf_counter() - began)


async def measure(arguments: argparse.Namespace, slots: int) -> dict[int, float]:
    config = PyTorchConfig(
        device=arguments.device,
        quantization=arguments.quantization,
        threads=arguments.threads,
        max_concurrent_requests=slots,
    )
    engine = PyTorchEngine(arguments.model, config)
    await engine.load()
    await rate(engine, slots, 8, arguments.guided)
    rates = {
        concurrent: statistics.median(
            [await rate(engine, concurrent, arguments.tokens, arguments.guided) for _ in range(arguments.runs)]
        )
        for concurrent in CONCURRENCY
    }
    await engine.unload()
    return rates


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, default=TINY)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--quantization", default="none", choices=("none", "int8", "int4"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--guided", action="store_true", help="constrain responses to a JSON schema")
    arguments = parser.parse_args()
    sys.stdout.write(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; tokens/s\n")
    sys.stdout.write("slots   " + "".join(f"{concurrent:>6} concurrent" for concurrent in CONCURRENCY) + "\n")
    for slots in (1, max(CONCURRENCY)):
        rates = asyncio.run(measure(arguments, slots))
        sys.stdout.write(f"{slots:>6}  " + "".join(f"{value:>17.0f}" for value in rates.values()) + "\n")


main()
