"""Trains the tiny model that ships with the project: `python serving/training/train.py`.

Everything is seeded and local. Writes a Hugging Face folder (config, tokenizer, chat template, safetensors) and the
loss curve. The files appear in one step at the end of each checkpoint, so the training can be stopped at any time.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import time
from pathlib import Path

import torch
from text import dialogues
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SEED = 20261124
CONTEXT_TOKENS = 512
TRAIN_TOKENS = 256
FIRST_STEPS = 10
"""The losses of these steps are recorded, so that a short run can be compared with them."""
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
SPECIAL = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
SYSTEM_PROMPTS = ["You are a helpful assistant.", "Answer briefly.", "You are a friendly assistant."]


def render(turns: list[tuple[str, str]], rng: random.Random) -> list[tuple[str, bool]]:
    """Return the pieces of a dialogue, each with whether it is to be learned: only the assistant's messages are."""
    pieces: list[tuple[str, bool]] = []
    if rng.random() < 0.2:
        pieces.append((f"<|system|>\n{rng.choice(SYSTEM_PROMPTS)}<|end|>\n", False))
    for user, assistant in turns:
        pieces.append((f"<|user|>\n{user}<|end|>\n<|assistant|>\n", False))
        pieces.append((f"{assistant}<|end|>\n", True))
    return pieces


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer with up to 2,048 tokens on the same text."""
    rng = random.Random(SEED)  # noqa: S311 - repeatable on purpose
    source = dialogues(SEED + 1)
    texts = ["".join(text for text, _ in render(next(source), rng)) for _ in range(20_000)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2048, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(texts, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped


class Batches:
    """Dialogues packed into rows of `TRAIN_TOKENS`, with labels for the assistant's messages."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, rows: int, seed: int) -> None:
        self._tokenizer = tokenizer
        self._rows = rows
        self._rng = random.Random(seed)  # noqa: S311
        self._source = dialogues(seed)

    def next(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return token ids and labels, both `(rows, TRAIN_TOKENS)`."""
        ids: list[list[int]] = []
        labels: list[list[int]] = []
        for _ in range(self._rows):
            row: list[int] = []
            row_labels: list[int] = []
            while len(row) < TRAIN_TOKENS:
                for text, learn in render(next(self._source), self._rng):
                    tokens = self._tokenizer.encode(text, add_special_tokens=False)
                    row += tokens
                    row_labels += tokens if learn else [-100] * len(tokens)
                if self._rng.random() < 0.5:
                    break
            pad = max(0, TRAIN_TOKENS - len(row))
            ids.append((row + [0] * pad)[:TRAIN_TOKENS])
            labels.append((row_labels + [-100] * pad)[:TRAIN_TOKENS])
        return torch.tensor(ids), torch.tensor(labels)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path, record: dict[str, object]) -> None:
    """Write the whole folder under another name, then rename it."""
    fresh = out.with_name(out.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    half = LlamaForCausalLM(model.config)
    half.load_state_dict(model.state_dict())
    half.to(torch.float16).save_pretrained(fresh)
    tokenizer.save_pretrained(fresh)
    (fresh / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    for kept in ("MODEL_CARD.md",):
        if (out / kept).exists():
            shutil.copy2(out / kept, fresh / kept)
    if out.exists():
        shutil.rmtree(out)
    fresh.rename(out)


def main() -> None:
    """Train until the number of steps or minutes is reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "novacron_serving" / "models" / "tiny")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--stop-after", type=int, help="stop after this many steps of the same schedule")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(arguments.threads)
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    parameters = sum(p.numel() for p in model.parameters())
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.95), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=arguments.steps, pct_start=0.05)
    training, validation = Batches(tokenizer, arguments.rows, SEED + 2), Batches(tokenizer, 64, SEED + 3)
    held_out = validation.next()
    began = time.monotonic()
    curve: list[dict[str, float]] = []
    first_losses: list[float] = []

    def checkpoint(step: int, loss: float) -> None:
        model.eval()
        with torch.no_grad():
            held_out_loss = model(input_ids=held_out[0], labels=held_out[1]).loss.item()
        model.train()
        curve.append({"step": step, "train_loss": round(loss, 4), "validation_loss": round(held_out_loss, 4)})
        minutes = (time.monotonic() - began) / 60
        sys.stdout.write(f"step {step} train {loss:.3f} validation {held_out_loss:.3f} {minutes:.1f} min\n")
        sys.stdout.flush()
        record = {
            "seed": SEED,
            "parameters": parameters,
            "steps": step,
            "schedule_steps": arguments.steps,
            "tokens_per_step": arguments.rows * TRAIN_TOKENS,
            "threads": arguments.threads,
            "minutes": round(minutes, 1),
            "torch": torch.__version__,
            "first_losses": first_losses,
            "loss": curve,
        }
        save(model, tokenizer, arguments.out, record)

    loss_value = 0.0
    last_step = min(arguments.steps, arguments.stop_after or arguments.steps)
    for step in range(1, last_step + 1):
        ids, labels = training.next()
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        loss_value = loss.item()
        if step <= FIRST_STEPS:
            first_losses.append(round(loss_value, 4))
        if step % 100 == 0 or step == last_step:
            checkpoint(step, loss_value)
        if (time.monotonic() - began) / 60 > arguments.minutes:
            checkpoint(step, loss_value)
            break


if __name__ == "__main__":
    main()
