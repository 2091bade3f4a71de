"""A model's tokenizer: messages to tokens, and tokens to text and bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from novacron_serving.engines import ChatPrompt, TextPrompt
from novacron_serving.errors import StartError, invalid
from novacron_serving.protocol.openai import Message

NONCHARACTERS = [chr(code) for code in range(0xFDD0, 0xFDF0)]
"""Unicode keeps these free for a program's own use."""
ROLES = {"developer": "system"}
BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")
GENERIC_TOOLS = 'Answer with calls of functions, as JSON: {"name": …, "arguments": {…}}. The functions are: '
"""What a model is told whose template has no words for functions."""


class Tokens:
    """A tokenizer of transformers, made safe from control tokens in messages."""

    def __init__(self, tokenizer: Any) -> None:
        """Args: `tokenizer`: of transformers."""
        self.tokenizer = tokenizer
        self.end_id: int | None = tokenizer.eos_token_id

    @classmethod
    def load(cls, folder: Path, *, trust_remote_code: bool = False) -> Tokens:
        """Read a model's tokenizer. Raises `StartError` when there is none."""
        from transformers import AutoTokenizer

        try:
            return cls(
                AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=trust_remote_code)
            )
        except Exception as error:  # broken files raise what they like
            reason = " ".join(str(error).split())[:500] or type(error).__name__
            raise StartError(f"model.path {str(folder)!r} has no tokenizer that can be loaded: {reason}") from error

    @property
    def template_knows_tools(self) -> bool:
        """Whether the chat template has words for functions."""
        return "tools" in str(self.tokenizer.chat_template or "")

    def encode(self, prompt: ChatPrompt | TextPrompt) -> list[int]:
        """A prompt's tokens. Raises `RequestError` when the chat template refuses the messages."""
        if isinstance(prompt, ChatPrompt):
            return self._chat(prompt)
        if not prompt.tokens:
            return self.tokenizer.encode(prompt.text)
        if max(prompt.tokens) >= len(self.tokenizer):
            raise invalid(
                f"prompt: there is no token {max(prompt.tokens)}; ids go to {len(self.tokenizer) - 1}", param="prompt"
            )
        return list(prompt.tokens)

    def _chat(self, prompt: ChatPrompt) -> list[int]:
        if not self.tokenizer.chat_template:
            raise invalid("messages: this model has no chat template; send a text prompt", param="messages")
        tools: list[Any] | None = list(prompt.tools) or None
        if self.template_knows_tools:
            messages = [_with_calls(message) for message in prompt.messages]
        else:
            messages, tools = _in_plain_words(prompt), None
        spoken = repr((messages, tools))
        marker = next((mark for mark in NONCHARACTERS if mark not in spoken and ascii(mark)[1:-1] not in spoken), None)
        if marker is None:
            raise invalid("messages: they hold every noncharacter of Unicode; leave one out", param="messages")
        try:
            text: str = self.tokenizer.apply_chat_template(
                self._defused(messages, marker),
                tools=self._defused(tools, marker),
                add_generation_prompt=True,
                tokenize=False,
            )
        except Exception as error:
            raise invalid(f"messages: the model's chat template refuses them: {error}", param="messages") from error
        pieces = [self.tokenizer.encode(piece, add_special_tokens=False) for piece in text.split(marker) if piece]
        return [token for piece in pieces for token in piece]

    def _defused(self, value: Any, marker: str) -> Any:
        """What a message spells is text: each control token in it is cut in two at the marker, and encoded so.

        Not left to transformers' `sanitize_control_tokens`, which the version in TensorRT-LLM's image does not have.
        """
        if isinstance(value, str):
            return self._control.sub(lambda found: f"{found[1]}{marker}", value) if self._control else value
        if isinstance(value, list):
            return [self._defused(item, marker) for item in cast("list[Any]", value)]
        if isinstance(value, Mapping):
            return {
                self._defused(key, marker): item if key == "role" else self._defused(item, marker)
                for key, item in cast("Mapping[str, Any]", value).items()
            }
        return value

    @cached_property
    def _control(self) -> re.Pattern[str] | None:
        added: dict[int, Any] = self.tokenizer.added_tokens_decoder
        special = {str(token) for token in added.values() if token.special} | set(self.tokenizer.all_special_tokens)
        texts = sorted((re.escape(text[1:]) for text in special if len(text) > 1), key=len, reverse=True)
        # A look-ahead: control tokens that overlap are found too.
        firsts = "".join(sorted({re.escape(text[0]) for text in special if len(text) > 1}))
        return re.compile(f"([{firsts}])(?={'|'.join(texts)})") if texts else None

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of tokens; control tokens have none."""
        # Cleaning would change text that was shown before: "word ," to "word,".
        return self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def piece(self, token: int) -> tuple[str, bytes]:
        """One token's text and bytes; a part of a character has its bytes, and the replacement character as text."""
        text: str = self.tokenizer.decode([token], clean_up_tokenization_spaces=False)
        name = self.tokenizer.convert_ids_to_tokens(token)
        if isinstance(name, str) and "\N{REPLACEMENT CHARACTER}" in text:
            if found := BYTE_PIECE.fullmatch(name):  # SentencePiece's spelling of a byte
                return text, bytes([int(found[1], 16)])
            if all(character in BYTES for character in name):
                return text, bytes(BYTES[character] for character in name)
        return text, text.encode()


def _with_calls(message: Message) -> dict[str, Any]:
    """As templates of Hugging Face read it: arguments of calls are objects there, and not text."""
    said: dict[str, Any] = {"role": ROLES.get(message.role, message.role), "content": message.text}
    if message.tool_calls:
        said["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": _parsed(call.function.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        said["tool_call_id"] = message.tool_call_id
    return said


def _parsed(arguments: str) -> Any:
    try:
        parsed = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    return cast("Any", parsed) if isinstance(parsed, dict) else arguments


def _in_plain_words(prompt: ChatPrompt) -> list[dict[str, Any]]:
    """For a template that knows only who said what."""
    messages: list[dict[str, Any]] = []
    for message in prompt.messages:
        calls = [
            json.dumps({"name": call.function.name, "arguments": _parsed(call.function.arguments)}, ensure_ascii=False)
            for call in message.tool_calls or ()
        ]
        role = "user" if message.role == "tool" else ROLES.get(message.role, message.role)
        messages.append({"role": role, "content": "\n".join([message.text, *calls] if message.text else calls)})
    if prompt.tools:
        told = GENERIC_TOOLS + json.dumps([tool["function"] for tool in prompt.tools], ensure_ascii=False)
        if messages[0]["role"] == "system":  # many templates take only one
            messages[0]["content"] += "\n\n" + told
        else:
            messages.insert(0, {"role": "system", "content": told})
    return messages


def _byte_level() -> dict[str, int]:
    """The characters by which byte-level tokenizers write bytes, as GPT-2 fixed them."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(0x100) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(0x100 + at): byte for at, byte in enumerate(hidden)}


BYTES = _byte_level()
