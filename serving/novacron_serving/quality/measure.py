"""Asks a model and its reference what comes next, at every token of the fixed text's answers.

The answers are given, not generated: both models are asked at the same places, and one early difference does not count
again at every token after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from novacron_serving.engines import ChatPrompt
from novacron_serving.engines.pytorch.weights import Quantization, count_weight_bytes, load_model, resolve_dtype
from novacron_serving.engines.tokens import Tokens
from novacron_serving.errors import RequestError, StartError
from novacron_serving.protocol.openai import Message
from novacron_serving.quality.score import Comparison, Score, score

REFERENCE_DTYPE = "float32"


class Dialogue(BaseModel):
    """A line of the text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str = Field(min_length=1)
    assistant: str = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """A dialogue in a model's tokens."""

    prompt: list[int]
    answer: list[int]


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model holds for likely at every token of the answers."""

    answers: list[Answer]
    log_probabilities: list[torch.Tensor]
    """`[tokens, vocabulary]` of each answer."""
    weight_bytes: int


def read_text(file: Path) -> list[Dialogue]:
    """The dialogues of a file, one a line. Raises `StartError` naming the line that is none."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"text {file} cannot be read: {error}") from error
    dialogues: list[Dialogue] = []
    for number, line in enumerate(lines, 1):
        try:
            dialogues.append(Dialogue.model_validate_json(line))
        except ValidationError as error:
            rule = 'a line is {"user": "…", "assistant": "…"}, and neither is empty'
            raise StartError(f"text {file}, line {number}: {rule}") from error
    if not dialogues:
        raise StartError(f"text {file} is empty; give at least one dialogue")
    return dialogues


def predict(
    folder: Path, text: Sequence[Dialogue], *, dtype: str, device: str, quantization: Quantization
) -> Predictions:
    """Ask a model. Raises `StartError` when it cannot be loaded or asked so."""
    tokens = Tokens.load(folder)
    try:
        model = load_model(folder, resolve_dtype(dtype, device), device, quantization)
    except StartError:
        raise
    except Exception as error:  # broken weights and configurations raise what they like
        reason = " ".join(str(error).split())[:500] or type(error).__name__
        raise StartError(f"{str(folder)!r} cannot be loaded: {reason}") from error
    context = int(model.config.get_text_config().max_position_embeddings)
    answers = [_answer(tokens, dialogue, context) for dialogue in text]
    return Predictions(answers, [_ask(model, answer) for answer in answers], count_weight_bytes(model))


def compare(quantised: Predictions, reference: Predictions) -> Score:
    """Both models' predictions. Raises `StartError` when they do not speak the same tokens."""
    vocabularies = {made.log_probabilities[0].shape[1] for made in (quantised, reference)}
    if quantised.answers != reference.answers or len(vocabularies) > 1:
        raise StartError("the model and its reference read the text as different tokens: they are no variants of one")
    return score(list(_compared(quantised, reference)))


def _compared(quantised: Predictions, reference: Predictions) -> Iterator[Comparison]:
    pairs = zip(quantised.log_probabilities, reference.log_probabilities, strict=True)
    for answer, (found, expected) in zip(quantised.answers, pairs, strict=True):
        own = torch.tensor(answer.answer)[:, None]
        divergence = (expected.exp() * (expected - found)).sum()
        yield Comparison(
            tokens=len(answer.answer),
            agreed=int((found.argmax(1) == expected.argmax(1)).sum()),
            surprise_nats=-float(found.gather(1, own).sum()),
            reference_surprise_nats=-float(expected.gather(1, own).sum()),
            divergence_nats=max(0.0, float(divergence)),
        )


def _answer(tokens: Tokens, dialogue: Dialogue, context: int) -> Answer:
    """As a worker would read the question, and as it would have written this answer, its end included."""
    try:
        prompt = tokens.encode(ChatPrompt((Message(role="user", content=dialogue.user),)))
    except RequestError as error:
        raise StartError(str(error)) from error
    answer: list[int] = tokens.tokenizer.encode(dialogue.assistant, add_special_tokens=False)
    if tokens.end_id is not None:
        answer.append(tokens.end_id)
    if len(prompt) + len(answer) > context:
        raise StartError(f"the text has a dialogue of {len(prompt) + len(answer)} tokens; the model reads {context}")
    return Answer(prompt, answer)


def _ask(model: Any, answer: Answer) -> torch.Tensor:
    ids = torch.tensor([answer.prompt + answer.answer], device=model.device)
    with torch.inference_mode():
        logits: torch.Tensor = model(input_ids=ids, logits_to_keep=len(answer.answer) + 1, use_cache=False).logits
        found = logits[0, :-1].float().log_softmax(-1).cpu()
    if found.isnan().any():
        raise StartError("the model's logits are no numbers: its weights are broken, or beyond the dtype's range")
    return found
