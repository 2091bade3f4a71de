"""The tiny model with transformers and without a server: it writes English sentences on topic, and ends them.

PyTorch is imported by the functions that need it: each process of pytest imports this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

TINY = Path(__file__).parents[2] / "serving" / "novacron_serving" / "models" / "tiny"
MAX_TOKENS = 120

# Some of the most common words of English: about every second word of ordinary text, and none of noise.
COMMON = frozenset(
    """
    the be is are was were am to of and a an in that have has had i it its for not on with he his as you your do
    does at this but by from they them their we she her or will my me one all would there what so up out if about
    who which go when make can like time no just him know take people into year good some could see other than then
    now look only come over think also back after use two how our work first well way even new want because any
    these give day most us many same more very here today then together near until where why
    """.split()  # noqa: SIM905 - a list of 160 quoted words reads worse
)
ON_TOPIC = {
    "Hello": "hello|hi",
    "Who are you?": "model",
    "What is a GPU?": "processor|chip|cores",
    "What is a cluster?": "machines",
    "What is a region?": "data centers",
    "What is a replica?": "copy",
    "What is a token?": "word",
    "What is NovaCron?": "clusters",
    "What is failover?": "region",
    "What is two plus three?": "five",
    "What does a dog say?": "woof",
    "Tell me a joke.": "virus|host",
    "Thank you": "welcome",
    "Goodbye": "goodbye",
}


class Chat:
    """The model, for one message at a time."""

    def __init__(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(TINY, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32, local_files_only=True)
        self.model: Any = cast("Any", model).eval()

    def answer(self, message: str, *, temperature: float = 0, seed: int = 0, model: Any = None) -> tuple[str, bool]:
        """Return the text, and whether the model ended it."""
        import torch

        prompt = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": message}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        how = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
        torch.manual_seed(seed)
        ids = (model or self.model).generate(**prompt, max_new_tokens=MAX_TOKENS, **how)[0]
        new = ids[prompt["input_ids"].shape[1] :]
        return self.tokenizer.decode(new, skip_special_tokens=True), bool(new[-1] == self.tokenizer.eos_token_id)


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more only spin on a model of this size
    yield Chat()
    torch.set_num_threads(threads)


def share_of_common_words(text: str) -> float:
    words = re.findall(r"[a-z']+", text.lower())
    return sum(word in COMMON for word in words) / max(1, len(words))


@pytest.mark.parametrize(("message", "expected"), ON_TOPIC.items(), ids=ON_TOPIC)
def test_the_model_gives_the_trained_responses(chat: Chat, message: str, expected: str) -> None:
    answer, ended = chat.answer(message)
    assert ended
    assert re.search(rf"\b({expected})\b", answer.lower()), answer
    assert answer[0].isupper()
    assert answer[-1] in ".!?"


def test_hello_in_five_words_is_five_words(chat: Chat) -> None:
    answer, _ = chat.answer("Say hello in five words.")
    assert len(answer.split()) == 5


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_sampled_stories_are_english_sentences_that_end(chat: Chat, temperature: float) -> None:
    stories = [chat.answer("Tell me a story.", temperature=temperature, seed=seed) for seed in range(3)]
    assert all(ended for _, ended in stories)
    assert all(len(re.findall(r"[.!?]", story)) >= 3 for story, _ in stories)
    assert share_of_common_words(" ".join(story for story, _ in stories)) >= 0.35
    assert len({story for story, _ in stories}) > 1


def test_the_language_check_tells_sentences_from_noise(chat: Chat) -> None:
    import torch
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    noise, _ = chat.answer("Tell me a story.", temperature=1.0, model=LlamaForCausalLM(chat.model.config).eval())
    assert share_of_common_words(noise) < 0.25


def test_greedy_completions_are_repeatable(chat: Chat) -> None:
    assert chat.answer("Tell me a story.", seed=1) == chat.answer("Tell me a story.", seed=2)


@pytest.mark.parametrize("message", ["What is the capital of France?", "Grüße 你好 🙂", "asdf qwer", ""])
def test_unknown_questions_get_complete_sentences(chat: Chat, message: str) -> None:
    answer, ended = chat.answer(message)
    assert ended
    assert answer[-1] in ".!?"
