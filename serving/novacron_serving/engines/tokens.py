"""A model's tokenizer: converts messages to tokens, and tokens to text and bytes."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from novacron_serving.engines import ChatPrompt, TextPrompt
from novacron_serving.errors import StartError, invalid, one_line
from novacron_serving.protocol.openai import Message

log = logging.getLogger(__name__)

NONCHARACTERS = [chr(code) for code in range(0xFDD0, 0xFDF0)]
"""Code points that Unicode reserves for internal use by programs."""
ROLES = {"developer": "system"}
BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")
GENERIC_TOOLS = 'Answer with calls of functions, as JSON: {"name": …, "arguments": {…}}. The functions are: '
"""System message for models whose chat template does not support tools."""


class Tokens:
    """A tokenizer of transformers. Control tokens that a message spells out are encoded as text."""

    def __init__(self, tokenizer: Any) -> None:
        """Wrap a tokenizer of transformers."""
        self.tokenizer = tokenizer
        self.end_id: int | None = tokenizer.eos_token_id

    @classmethod
    def load(cls, folder: Path, *, trust_remote_code: bool = False, chat_template: Path | None = None) -> Tokens:
        """Load a model's tokenizer.

        Args:
            folder: the model's folder.
            trust_remote_code: run Python code from the folder.
            chat_template: a file whose chat template is used instead of the model's.

        Raises:
            StartError: the tokenizer cannot be loaded, or the chat template is broken.
        """
        from transformers import AutoTokenizer

        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=trust_remote_code
            )
        except Exception as error:  # broken files raise all kinds of errors
            raise StartError(f"model.path {str(folder)!r} has no usable tokenizer: {one_line(error)}") from error
        if chat_template is not None:
            try:
                tokenizer.chat_template = chat_template.read_text()
            except (OSError, UnicodeError) as error:
                raise StartError(
                    f"engine.chat_template {str(chat_template)!r} cannot be read: {one_line(error)}"
                ) from error
        if tokenizer.chat_template:
            _check_template(tokenizer, folder if chat_template is None else chat_template)
        else:
            log.warning("%s has no chat template: chat completions are refused, text completions are served", folder)
        return cls(tokenizer)

    @property
    def template_supports_tools(self) -> bool:
        """Whether the chat template supports tools."""
        return "tools" in str(self.tokenizer.chat_template or "")

    def encode(self, prompt: ChatPrompt | TextPrompt) -> list[int]:
        """Return the tokens of a prompt. Raises `RequestError` if the chat template rejects the messages."""
        if isinstance(prompt, ChatPrompt):
            return self._chat(prompt)
        if not prompt.tokens:
            return self._encode_text(prompt.text)
        if max(prompt.tokens) >= len(self.tokenizer):
            raise invalid(
                f"prompt: {max(prompt.tokens)} is not a token id; ids are 0 to {len(self.tokenizer) - 1}",
                param="prompt",
            )
        return list(prompt.tokens)

    def _chat(self, prompt: ChatPrompt) -> list[int]:
        if not self.tokenizer.chat_template:
            raise invalid(
                "messages: this model has no chat template; send the text as `prompt` to /v1/completions, or serve the "
                "model with engine.chat_template",
                param="messages",
                code="no_chat_template",
            )
        tools: list[Any] | None = list(prompt.tools) or None
        if self.template_supports_tools:
            messages = [_template_message(message) for message in prompt.messages]
        else:
            messages, tools = _without_tools(prompt), None
        content = repr((messages, tools, prompt.template_arguments))
        marker = next(
            (mark for mark in NONCHARACTERS if mark not in content and ascii(mark)[1:-1] not in content), None
        )
        if marker is None:
            raise invalid("messages: they contain every noncharacter of Unicode; remove one", param="messages")
        try:
            text: str = self.tokenizer.apply_chat_template(
                self._split_control_tokens(messages, marker),
                tools=self._split_control_tokens(tools, marker),
                add_generation_prompt=True,
                tokenize=False,
                **self._split_control_tokens(prompt.template_arguments, marker),
            )
        except Exception as error:
            raise invalid(f"messages: the model's chat template refuses them: {error}", param="messages") from error
        pieces = [self._encode_text(piece, add_special_tokens=False) for piece in text.split(marker) if piece]
        return [token for piece in pieces for token in piece]

    def _encode_text(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        # `verbose` logs a warning about a prompt that is too long. The client gets an error instead.
        return self.tokenizer.encode(text, add_special_tokens=add_special_tokens, verbose=False)

    def _split_control_tokens(self, value: Any, marker: str) -> Any:
        """Insert the marker into each control token that a message spells out, so that it is encoded as text.

        transformers' `sanitize_control_tokens` does this too, but the version in TensorRT-LLM's image lacks it.
        """
        if isinstance(value, str):
            return self._control.sub(lambda found: f"{found[1]}{marker}", value) if self._control else value
        if isinstance(value, list):
            return [self._split_control_tokens(item, marker) for item in cast("list[Any]", value)]
        if isinstance(value, Mapping):
            return {
                self._split_control_tokens(key, marker): item
                if key == "role"
                else self._split_control_tokens(item, marker)
                for key, item in cast("Mapping[str, Any]", value).items()
            }
        return value

    @cached_property
    def _control(self) -> re.Pattern[str] | None:
        added: dict[int, Any] = self.tokenizer.added_tokens_decoder
        special = {str(token) for token in added.values() if token.special} | set(self.tokenizer.all_special_tokens)
        texts = sorted((re.escape(text[1:]) for text in special if len(text) > 1), key=len, reverse=True)
        # The look-ahead finds overlapping control tokens as well.
        firsts = "".join(sorted({re.escape(text[0]) for text in special if len(text) > 1}))
        return re.compile(f"([{firsts}])(?={'|'.join(texts)})") if texts else None

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens. Control tokens have no text."""
        # Cleaning up would change text that was sent before: "word ," to "word,".
        return self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def piece(self, token: int) -> tuple[str, bytes]:
        """Return the text and bytes of one token. The text of a partial character is the replacement character."""
        text: str = self.tokenizer.decode([token], clean_up_tokenization_spaces=False)
        name = self.tokenizer.convert_ids_to_tokens(token)
        if isinstance(name, str) and "\N{REPLACEMENT CHARACTER}" in text:
            if found := BYTE_PIECE.fullmatch(name):  # SentencePiece's spelling of a byte
                return text, bytes([int(found[1], 16)])
            if all(character in BYTES for character in name):
                return text, bytes(BYTES[character] for character in name)
        return text, text.encode()


def _check_template(tokenizer: Any, place: Path) -> None:
    """Render a short conversation. Raises `StartError` unless that succeeds, or the template refuses it in words."""
    from jinja2 import TemplateError

    try:
        text: object = tokenizer.apply_chat_template(
            [{"role": "user", "content": "Hello"}], add_generation_prompt=True, tokenize=False
        )
    except Exception as error:  # templates raise all kinds of errors
        if type(error) is TemplateError:  # the template's own raise_exception(): it wants another conversation
            return
        raise StartError(
            f"the chat template of {str(place)!r} is broken: {one_line(error)}; correct it, or set "
            "engine.chat_template to a file with another"
        ) from error
    if not isinstance(text, str) or not text.strip():
        raise StartError(
            f"the chat template of {str(place)!r} is broken: it renders a message as nothing; correct it, or set "
            "engine.chat_template to a file with another"
        )


def _template_message(message: Message) -> dict[str, Any]:
    """Return a message for the chat template. Hugging Face's templates expect the arguments of calls as objects."""
    fields: dict[str, Any] = {"role": ROLES.get(message.role, message.role), "content": message.text}
    if message.tool_calls:
        fields["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": _parsed(call.function.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        fields["tool_call_id"] = message.tool_call_id
    return fields


def _parsed(arguments: str) -> Any:
    try:
        parsed = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    return cast("Any", parsed) if isinstance(parsed, dict) else arguments


def _without_tools(prompt: ChatPrompt) -> list[dict[str, Any]]:
    """Return the messages for a chat template without tools: calls and tool descriptions become text."""
    messages: list[dict[str, Any]] = []
    for message in prompt.messages:
        calls = [
            json.dumps({"name": call.function.name, "arguments": _parsed(call.function.arguments)}, ensure_ascii=False)
            for call in message.tool_calls or ()
        ]
        role = "user" if message.role == "tool" else ROLES.get(message.role, message.role)
        messages.append({"role": role, "content": "\n".join([message.text, *calls] if message.text else calls)})
    if prompt.tools:
        instructions = GENERIC_TOOLS + json.dumps([tool["function"] for tool in prompt.tools], ensure_ascii=False)
        if messages[0]["role"] == "system":  # many templates allow only one system message
            messages[0]["content"] += "\n\n" + instructions
        else:
            messages.insert(0, {"role": "system", "content": instructions})
    return messages


def _byte_level() -> dict[str, int]:
    """Return the bytes by the characters that stand for them in byte-level tokenizers since GPT-2."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(0x100) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(0x100 + at): byte for at, byte in enumerate(hidden)}


BYTES = _byte_level()
