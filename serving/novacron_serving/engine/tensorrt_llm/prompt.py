"""What happens before and after the library: messages to tokens, and tokens to text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from novacron_serving.engine import ChatPrompt, TextPrompt
from novacron_serving.errors import StartError, invalid

NONCHARACTERS = [chr(code) for code in range(0xFDD0, 0xFDF0)]
"""Unicode keeps these free for a program's own use."""
ROLES = {"developer": "system"}
BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")


class Tokens:
    """A model's tokenizer. The library's own offers no chat template that is safe from control tokens in messages."""

    def __init__(self, tokenizer: Any) -> None:
        """Args: `tokenizer`: of transformers."""
        self._tokenizer = tokenizer
        self.end_id: int | None = tokenizer.eos_token_id

    @classmethod
    def load(cls, folder: Path, *, trust_remote_code: bool) -> Tokens:
        """Read a model's tokenizer. Raises `StartError` when there is none."""
        from transformers import AutoTokenizer

        try:
            return cls(
                AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=trust_remote_code)
            )
        except Exception as error:  # broken files raise what they like
            reason = " ".join(str(error).split())[:500] or type(error).__name__
            raise StartError(f"model.path {str(folder)!r} has no tokenizer that can be loaded: {reason}") from error

    def encode(self, prompt: ChatPrompt | TextPrompt) -> list[int]:
        """A prompt's tokens. Raises `RequestError` when the chat template refuses the messages."""
        if isinstance(prompt, ChatPrompt):
            return self._chat(prompt)
        return list(prompt.tokens) or self._tokenizer.encode(prompt.text)

    def _chat(self, prompt: ChatPrompt) -> list[int]:
        if not self._tokenizer.chat_template:
            raise invalid("messages: this model has no chat template; send a text prompt", param="messages")
        messages: list[dict[str, Any]] = [
            {"role": ROLES.get(message.role, message.role), "content": message.text} for message in prompt.messages
        ]
        spoken = repr((messages, prompt.tools))
        marker = next((mark for mark in NONCHARACTERS if mark not in spoken and ascii(mark)[1:-1] not in spoken), None)
        if marker is None:
            raise invalid("messages: they hold every noncharacter of Unicode; leave one out", param="messages")
        try:
            text: str = self._tokenizer.apply_chat_template(
                self._defused(messages, marker),
                tools=self._defused(list(prompt.tools), marker) or None,
                add_generation_prompt=True,
                tokenize=False,
            )
        except Exception as error:
            raise invalid(f"messages: the model's chat template refuses them: {error}", param="messages") from error
        pieces = [self._tokenizer.encode(piece, add_special_tokens=False) for piece in text.split(marker) if piece]
        return [token for piece in pieces for token in piece]

    def _defused(self, value: Any, marker: str) -> Any:
        """What a message spells is text: each control token in it is cut in two at the marker, and encoded so.

        Not left to transformers' `sanitize_control_tokens`, which the version in TensorRT-LLM's image does not have.
        """
        if isinstance(value, str):
            return self._control.sub(lambda found: f"{found[1]}{marker}", value) if self._control else value
        if isinstance(value, list):
            return [self._defused(item, marker) for item in value]
        if isinstance(value, Mapping):
            return {key: item if key == "role" else self._defused(item, marker) for key, item in value.items()}
        return value

    @cached_property
    def _control(self) -> re.Pattern[str] | None:
        added: dict[int, Any] = self._tokenizer.added_tokens_decoder
        special = {str(token) for token in added.values() if token.special} | set(self._tokenizer.all_special_tokens)
        texts = sorted((re.escape(text[1:]) for text in special if len(text) > 1), key=len, reverse=True)
        # A look-ahead: control tokens that overlap are found too.
        firsts = "".join(sorted({re.escape(text[0]) for text in special if len(text) > 1}))
        return re.compile(f"([{firsts}])(?={'|'.join(texts)})") if texts else None

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of tokens; control tokens have none."""
        # Cleaning would change text that was shown before: "word ," to "word,".
        return self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def piece(self, token: int) -> tuple[str, bytes]:
        """One token's text and bytes; a part of a character has its bytes, and the replacement character as text."""
        text: str = self._tokenizer.decode([token], clean_up_tokenization_spaces=False)
        name = self._tokenizer.convert_ids_to_tokens(token)
        if isinstance(name, str) and "\N{REPLACEMENT CHARACTER}" in text:
            if found := BYTE_PIECE.fullmatch(name):  # SentencePiece's spelling of a byte
                return text, bytes([int(found[1], 16)])
            if all(character in BYTES for character in name):
                return text, bytes(BYTES[character] for character in name)
        return text, text.encode()


def _byte_level() -> dict[str, int]:
    """The characters by which byte-level tokenizers write bytes, as GPT-2 fixed them."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(0x100) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(0x100 + at): byte for at, byte in enumerate(hidden)}


BYTES = _byte_level()
