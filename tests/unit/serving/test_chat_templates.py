"""Chat templates: a broken one is found when a model is published or loaded; without one, text prompts are served."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from novacron_serving.chat_templates import find_syntax_error, read_chat_templates
from novacron_serving.engines import ChatPrompt, TextPrompt
from novacron_serving.engines.tokens import Tokens
from novacron_serving.errors import RequestError, StartError
from novacron_serving.models import StoreError, open_folder, publish
from novacron_serving.protocol.openai import Message
from novacron_serving.worker.tool_calls import ToolFormat, detect_tool_format

from tests.tiny_model import TINY

from .samples import CHATML, LLAMA_3

HELLO = ChatPrompt((Message(role="user", content="Hello"),))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the tiny model without its chat template."""
    folder = tmp_path / "model"
    shutil.copytree(TINY, folder)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


UNREADABLE = {
    "tag that is not closed": "{% for m in messages %}{{ m.content }}",
    "expression that is not closed": "{{ messages[0].content",
    "filter that does not exist": "{{ messages | shorten }}",
    "tag that does not exist": "{% repeat %}",
    "function tag without a name": "{% macro %}{% endmacro %}",
}
"""Templates whose syntax is wrong."""
BROKEN = UNREADABLE | {
    "variable that does not exist": "{{ conversation[0].content }}",
    "wrong type": "{{ messages + 1 }}",
    "function that does not exist": "{{ now('%Y') }}",
    "nothing": "{% if messages | length > 5 %}Hello{% endif %}",
    "endless loop": "{% for at in range(10 ** 9) %}{{ at }}{% endfor %}",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_template_is_found_when_the_model_is_loaded(model: Path, name: str) -> None:
    (model / "chat_template.jinja").write_text(BROKEN[name])
    with pytest.raises(StartError, match=r"the chat template of .*/model' is broken: .*; correct it, or set engine\."):
        Tokens.load(model)


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("file", ["chat_template.jinja", "tokenizer_config.json", "additional_chat_templates/x.jinja"])
def test_a_template_with_wrong_syntax_is_not_published(tmp_path: Path, model: Path, name: str, file: str) -> None:
    (model / file).parent.mkdir(exist_ok=True)
    if file.endswith(".json"):
        named = [{"name": "default", "template": CHATML}, {"name": "rag", "template": UNREADABLE[name]}]
        config = json.loads((model / file).read_text()) | {"chat_template": named}
        (model / file).write_text(json.dumps(config))
    else:
        (model / file).write_text(UNREADABLE[name])
    with pytest.raises(StoreError, match=rf"1 problem\n  {file} has a broken chat template \(line 1: .*; correct it"):
        publish(model, open_folder(f"file://{tmp_path}/store"), model_id="m")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json"])
def test_a_json_file_that_is_cut_is_not_published(tmp_path: Path, model: Path, file: str) -> None:
    (model / file).write_bytes((TINY / "config.json").read_bytes()[:-20])
    with pytest.raises(StoreError, match=f"{file} is not valid JSON"):
        publish(model, open_folder(f"file://{tmp_path}/store"), model_id="m")


@pytest.mark.parametrize(
    "template",
    [
        CHATML,
        LLAMA_3,
        "{% for m in messages %}{% if loop.last %}{% break %}{% endif %}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
        "{% if messages[0].role != 'system' %}{{ raise_exception('start with a system message') }}{% endif %}",
        "{%- set ns = namespace(found=false) -%}{{ messages | tojson }}{{ strftime_now('%Y') }}",
    ],
)
def test_templates_in_use_are_not_refused(template: str) -> None:
    assert find_syntax_error(template) is None


def test_a_template_that_wants_another_conversation_is_not_broken(model: Path) -> None:
    (model / "chat_template.jinja").write_text("{{ raise_exception('start with a system message') }}")
    with pytest.raises(RequestError, match="start with a system message"):
        Tokens.load(model).encode(HELLO)


def test_a_model_without_a_template_takes_text_and_refuses_chats(model: Path) -> None:
    assert read_chat_templates(model) == {}
    tokens = Tokens.load(model)
    assert tokens.encode(TextPrompt("Hello")) == Tokens.load(TINY).encode(TextPrompt("Hello"))
    with pytest.raises(RequestError, match=r"no chat template; send the text as `prompt` to /v1/completions") as caught:
        tokens.encode(HELLO)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, "messages", "no_chat_template")


def test_a_configured_template_takes_the_place_of_the_models(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jinja"
    other.write_text("{% for m in messages %}A: {{ m.content }}{% endfor %}")
    tokens = Tokens.load(model, chat_template=other)
    assert tokens.decode(tokens.encode(HELLO)).strip() == "A: Hello"
    other.write_text("{{ tools }} <tool_call>")
    assert detect_tool_format(model) is None
    assert detect_tool_format(model, other) is ToolFormat.HERMES


def test_a_configured_template_that_is_broken_or_absent_is_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"engine\.chat_template '.*absent' cannot be read"):
        Tokens.load(model, chat_template=tmp_path / "absent")
    (tmp_path / "broken.jinja").write_text("{{")
    with pytest.raises(StartError, match=r"the chat template of '.*/broken\.jinja' is broken"):
        Tokens.load(model, chat_template=tmp_path / "broken.jinja")
