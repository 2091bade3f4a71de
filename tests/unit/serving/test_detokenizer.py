"""Tokens to text: pieces add up to the text, without partial characters and stop texts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from novacron_serving.engines.detokenizer import Detokenizer
from tokenizers import Tokenizer, decoders, models

from tests.tiny_model import TINY

BYTE_LEVEL = Tokenizer.from_file(str(TINY / "tokenizer.json"))


def sentencepiece() -> Tokenizer:
    """Make a tokenizer like Llama 2's: a space belongs to the word after it, and unknown characters become bytes."""
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581Hello", "\u2581world", "lo", "\u2581", ","]
    tokenizer = Tokenizer(models.BPE({piece: at for at, piece in enumerate(pieces)}, [], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def pieces_of(tokenizer: Tokenizer, tokens: Sequence[int], stops: tuple[str, ...] = ()) -> list[str]:
    text = Detokenizer(tokenizer.decode, stops)
    pieces: list[str] = []
    for token in tokens:
        new, stopped = text.add(token)
        pieces.append(new)
        if stopped:
            return pieces
    return [*pieces, text.flush()]


@given(st.text())
def test_pieces_add_up_to_the_text_and_have_no_partial_characters(text: str) -> None:
    tokens = BYTE_LEVEL.encode(text, add_special_tokens=False).ids
    pieces = pieces_of(BYTE_LEVEL, tokens)
    assert "".join(pieces) == BYTE_LEVEL.decode(tokens)
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in pieces)


def test_a_character_of_four_tokens_is_returned_with_the_last_one() -> None:
    tokens = BYTE_LEVEL.encode("🙂").ids
    assert len(tokens) == 4
    assert pieces_of(BYTE_LEVEL, tokens) == ["", "", "", "🙂", ""]


def test_spaces_between_words_are_kept_by_a_tokenizer_that_strips_leading_spaces() -> None:
    tokenizer = sentencepiece()
    tokens = [tokenizer.token_to_id(piece) for piece in ("▁Hello", ",", "▁world", "▁", "<0xC3>", "<0xBC>", "lo")]
    assert pieces_of(tokenizer, tokens) == ["Hello", ",", " world", " ", "", "ü", "lo", ""]


def test_invalid_bytes_are_returned_as_replacement_characters() -> None:
    tokenizer = sentencepiece()
    pieces = pieces_of(tokenizer, [tokenizer.token_to_id("<0xFF>")] * 40)
    assert "".join(pieces) == "\ufffd" * 40
    assert "".join(pieces[:20]) != ""


def test_control_tokens_have_no_text() -> None:
    end = BYTE_LEVEL.token_to_id("<|end|>")
    words, smile = BYTE_LEVEL.encode("Hello").ids, BYTE_LEVEL.encode("🙂").ids
    assert "".join(pieces_of(BYTE_LEVEL, [end, *words, end, end, end, end, *smile, end])) == "Hello🙂"


@given(st.text("ab ü"), st.text("ab ü", min_size=1, max_size=4))
def test_a_stop_text_ends_the_choice_however_it_is_tokenized(text: str, stop: str) -> None:
    pieces = pieces_of(BYTE_LEVEL, BYTE_LEVEL.encode(text).ids, (stop,))
    assert "".join(pieces) == text.split(stop, maxsplit=1)[0]


@given(st.text("ab"), st.lists(st.text("ab", min_size=1, max_size=5), max_size=4))
def test_stop_texts_are_never_returned(text: str, stops: list[str]) -> None:
    shown = "".join(pieces_of(BYTE_LEVEL, BYTE_LEVEL.encode(text).ids, tuple(stops)))
    assert text.startswith(shown)
    assert not any(stop in shown for stop in stops)
    assert (shown == text) == (not any(stop in text for stop in stops))


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ("GPU", ["What", " is", " a", " ", "", ""]),
        ("is a dog", ["What", " ", "", "is a G", "P", "U", "?", ""]),
        ("", ["What", " is", " a", " G", "P", "U", "?", ""]),
    ],
)
def test_a_possible_start_of_a_stop_text_is_held_back(stop: str, expected: list[str]) -> None:
    tokens = [BYTE_LEVEL.token_to_id(token) for token in ("What", "Ġis", "Ġa", "ĠG", "P", "U", "?")]
    assert pieces_of(BYTE_LEVEL, tokens, (stop,)) == expected


def test_each_step_of_a_long_text_decodes_only_a_few_tokens() -> None:
    seen: list[int] = []

    def decode(tokens: Sequence[int]) -> str:
        seen.append(len(tokens))
        return BYTE_LEVEL.decode(tokens)

    text = Detokenizer(decode, ("never",))
    for token in BYTE_LEVEL.encode("What is a GPU? Grüße 🙂 " * 50).ids:
        text.add(token)
    assert max(seen) <= 8
