"""Runs a model and its reference on a fixed text, and compares their predictions at every token of the responses.

The responses are given, not generated. Both models predict at the same positions, so an early difference does not
affect the tokens after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from transformers import PreTrainedModel

from novacron_serving.engines import ChatPrompt
from novacron_serving.engines.pytorch.weights import Quantization, count_weight_bytes, load_model, resolve_dtype
from novacron_serving.engines.tokens import Tokens
from novacron_serving.errors import RequestError, StartError, one_line
from novacron_serving.protocol.openai import Message
from novacron_serving.quality.score import Comparison, Score, compute_score

REFERENCE_DTYPE = "float32"


class Dialogue(BaseModel):
    """One line of the text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str = Field(min_length=1)
    assistant: str = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class TokenizedDialogue:
    """A dialogue as tokens."""

    prompt: list[int]
    response: list[int]


@dataclass(frozen=True, slots=True)
class Predictions:
    """A model's predictions at every token of the responses."""

    dialogues: list[TokenizedDialogue]
    log_probabilities: list[torch.Tensor]
    """`[tokens, vocabulary]` of each response."""
    weight_bytes: int


def read_dialogues(file: Path) -> list[Dialogue]:
    """Read the dialogues of a file, one per line. Raises `StartError`, which names the first invalid line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"text {file} cannot be read: {error}") from error
    dialogues: list[Dialogue] = []
    for number, line in enumerate(lines, 1):
        try:
            dialogues.append(Dialogue.model_validate_json(line))
        except ValidationError as error:
            rule = 'must be {"user": "…", "assistant": "…"}, both not empty'
            raise StartError(f"text {file}, line {number}: {rule}") from error
    if not dialogues:
        raise StartError(f"text {file} is empty; give at least one dialogue")
    return dialogues


def predict(
    folder: Path, text: Sequence[Dialogue], *, dtype: str, device: str, quantization: Quantization
) -> Predictions:
    """Run a model on a text. Raises `StartError` if it cannot be loaded, or the text does not fit."""
    tokens = Tokens.load(folder)
    try:
        model = load_model(folder, resolve_dtype(dtype, device), device, quantization)
    except StartError:
        raise
    except Exception as error:  # broken files raise all kinds of errors
        raise StartError(f"{str(folder)!r} cannot be loaded: {one_line(error)}") from error
    context = int(model.config.get_text_config().max_position_embeddings)
    dialogues = [_tokenize(tokens, dialogue, context) for dialogue in text]
    return Predictions(dialogues, [_predict(model, dialogue) for dialogue in dialogues], count_weight_bytes(model))


def compare(quantised: Predictions, reference: Predictions) -> Score:
    """Score a model's predictions. Raises `StartError` if the models have different tokenizers."""
    vocabularies = {made.log_probabilities[0].shape[1] for made in (quantised, reference)}
    if quantised.dialogues != reference.dialogues or len(vocabularies) > 1:
        raise StartError("the model and its reference tokenize the text differently; give variants of the same model")
    return compute_score(list(_compared(quantised, reference)))


def _compared(quantised: Predictions, reference: Predictions) -> Iterator[Comparison]:
    pairs = zip(quantised.log_probabilities, reference.log_probabilities, strict=True)
    for dialogue, (found, expected) in zip(quantised.dialogues, pairs, strict=True):
        own = torch.tensor(dialogue.response)[:, None]
        divergence = (expected.exp() * (expected - found)).sum()
        yield Comparison(
            tokens=len(dialogue.response),
            agreed=int((found.argmax(1) == expected.argmax(1)).sum()),
            surprise_nats=-float(found.gather(1, own).sum()),
            reference_surprise_nats=-float(expected.gather(1, own).sum()),
            divergence_nats=max(0.0, float(divergence)),
        )


def _tokenize(tokens: Tokens, dialogue: Dialogue, context: int) -> TokenizedDialogue:
    """Tokenize the question like a worker, and the response with its end token."""
    try:
        prompt = tokens.encode(ChatPrompt((Message(role="user", content=dialogue.user),)))
    except RequestError as error:
        raise StartError(str(error)) from error
    response: list[int] = tokens.tokenizer.encode(dialogue.assistant, add_special_tokens=False)
    if tokens.end_id is not None:
        response.append(tokens.end_id)
    if len(prompt) + len(response) > context:
        raise StartError(
            f"the text has a dialogue of {len(prompt) + len(response)} tokens, but the context is {context} tokens; "
            "use shorter dialogues"
        )
    return TokenizedDialogue(prompt, response)


def _predict(model: PreTrainedModel, dialogue: TokenizedDialogue) -> torch.Tensor:
    ids = torch.tensor([dialogue.prompt + dialogue.response], device=model.device)
    with torch.inference_mode():
        logits: torch.Tensor = model(input_ids=ids, logits_to_keep=len(dialogue.response) + 1, use_cache=False).logits
        found = logits[0, :-1].float().log_softmax(-1).cpu()
    if found.isnan().any():
        raise StartError("the model's logits are NaN: its weights are broken or exceed the range of the dtype")
    return found
