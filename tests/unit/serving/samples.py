"""Tokenizers of well-known forms, and the mark of tests that need PyTorch.

PyTorch and transformers are imported by the functions that need them: each process of pytest imports all test modules.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tests.tiny_model import TINY

needs_pytorch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="needs PyTorch: `make test` installs it"
)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_3 = (
    "<|begin_of_text|>{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


def byte_level(special: list[str], template: str) -> Any:
    """Make a tokenizer in which each byte is a token. The last special token ends a response."""
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({character: at for at, character in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=special[-1], chat_template=template)


def load_tiny() -> Any:
    """Load the shipped model's tokenizer."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(TINY, local_files_only=True)


TOKENIZERS: dict[str, Callable[[], Any]] = {
    "tiny": load_tiny,
    "chatml": lambda: byte_level(["<|im_start|>", "<|im_end|>"], CHATML),
    "llama 3": lambda: byte_level(
        ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"], LLAMA_3
    ),
}
