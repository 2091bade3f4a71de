"""The shipped model is small enough for a repository, and writes language."""

from __future__ import annotations

import importlib.util
import re
from itertools import islice
from pathlib import Path
from typing import Any

import openai
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.xdist_group("serving")


@pytest.fixture(scope="module")
def vocabulary() -> set[str]:
    """Return the words of the training text."""
    spec = importlib.util.spec_from_file_location("training_text", ROOT / "serving" / "training" / "text.py")
    assert spec is not None
    assert spec.loader is not None
    text: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(text)
    return {
        word
        for dialogue in islice(text.dialogues(7), 3000)
        for _, answer in dialogue
        for word in re.findall(r"[a-z']+", answer.lower())
    }


@pytest.mark.parametrize(
    ("prompt", "word"),
    [
        ("Hello", "hello"),
        ("What is a GPU?", "gpu"),
        ("What is NovaCron?", "novacron"),
        ("Who are you?", "model"),
        ("Tell me a story.", "the"),
        ("What is a region?", "region"),
    ],
)
def test_the_response_to_a_common_prompt_is_language(
    client: openai.OpenAI, vocabulary: set[str], prompt: str, word: str
) -> None:
    answer = client.chat.completions.create(
        model="novacron-tiny", messages=[{"role": "user", "content": prompt}], temperature=0
    )
    text = answer.choices[0].message.content or ""
    words = re.findall(r"[a-z']+", text.lower())
    assert answer.choices[0].finish_reason == "stop"
    assert len(words) >= 4
    assert word in words
    assert sum(each in vocabulary for each in words) / len(words) >= 0.95, text
    assert len(set(words)) / len(words) > 0.4, f"it repeats itself: {text}"


def test_the_model_is_small_enough_to_ship() -> None:
    folder = ROOT / "serving" / "novacron_serving" / "models" / "tiny"
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) <= 10 * 2**20
