"""The error of a prompt that is longer than the model's context."""

from __future__ import annotations

from novacron_serving.errors import RequestError, invalid


def prompt_too_long(
    field: str, prompt_tokens: int, context_tokens: int, longest_prompt_tokens: int | None = None
) -> RequestError:
    """Return the error in OpenAI's words, by which LiteLLM and others recognise it: 400.

    Args:
        field: `messages` or `prompt`.
        prompt_tokens: length of the prompt.
        context_tokens: context of the model.
        longest_prompt_tokens: the longest prompt, if it is shorter than the context less one token.
    """
    at_most = context_tokens - 1 if longest_prompt_tokens is None else longest_prompt_tokens
    return invalid(
        f"This model's maximum context length is {context_tokens} tokens. However, your {field} resulted in "
        f"{prompt_tokens} tokens. Please reduce the length of the {field} to at most {at_most} tokens.",
        param=field,
        code="context_length_exceeded",
    )
