"""Pulumi.yaml and Pulumi.<stack>.yaml: read as the CLI reads them; what is wrong is named with its place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.project import load_project, load_stack_config
from novacron_rehearsal.state import secrets as passphrases
from novacron_rehearsal.state.secrets import Secrets, WrongPassphraseError
from novacron_rehearsal.state.stack_secrets import StackSecrets


@pytest.fixture(autouse=True)
def _quick_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrases, "ITERATIONS", 1000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(
        "name: shop\nruntime: python\nconfig:\n  size: 2\n  region: {default: here}\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: shop\nruntime: [python\n", r"Pulumi\.yaml is not valid YAML:[\s\S]*line 3"),
        ("- name\n", r"is a list; it must be a mapping"),
        ("runtime: python\n", r"name is missing"),
        ("name: shop\nruntime: nodejs\n", r"runtime is 'nodejs'; the rehearsal engine supports only python"),
        (
            "name: shop\nruntime: python\nname: cart\n",
            r"Pulumi\.yaml is not valid YAML: duplicate key 'name'[\s\S]*line 3",
        ),
    ],
)
def test_an_invalid_project_file_is_refused_with_the_place(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "Pulumi.yaml").write_text(content)
    with pytest.raises(RehearsalError, match=message):
        load_project(tmp_path)


def test_a_folder_without_pulumi_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        RehearsalError, match=r"Pulumi\.yaml does not exist; run the command in the folder of a Pulumi project"
    ):
        load_project(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("config:\n  a: 'x\n", r"Pulumi\.dev\.yaml is not valid YAML:[\s\S]*line \d"),
        ("config:\n  a: {b: 1, c: 2, b: 3}\n", r"duplicate key 'b'[\s\S]*line 2, column 19"),
        ("shop:size: 3\n", r"unknown key 'shop:size'; put configuration under config"),
        ("environment: [a]\n", "only the Pulumi CLI supports ESC environments"),
        (
            "encryptionsalt: nonsense\nconfig:\n  a: {secure: v1:x:y}\n",
            "encryptionsalt is 'nonsense'; it must have the form",
        ),
    ],
)
def test_an_invalid_stack_file_is_refused_with_the_place(folder: Path, content: str, message: str) -> None:
    (folder / "Pulumi.dev.yaml").write_text(content)
    with pytest.raises(RehearsalError, match=message):
        load_stack_config(folder, load_project(folder), "dev", StackSecrets("x", "dev"))


def test_the_stacks_values_override_the_projects_defaults(folder: Path) -> None:
    (folder / "Pulumi.dev.yaml").write_text("config:\n  shop:size: 3\n  tags: {a: [1, true]}\n  other:key: text\n")
    config = load_stack_config(folder, load_project(folder), "dev", StackSecrets("x", "dev"))
    assert config.values == {
        "shop:size": "3",
        "shop:region": "here",
        "shop:tags": '{"a":[1,true]}',
        "other:key": "text",
    }
    assert config.secret_keys == ()


def test_a_key_may_override_a_merged_key(folder: Path) -> None:
    (folder / "Pulumi.dev.yaml").write_text("config:\n  one: &one {a: 1, b: 2}\n  two: {<<: *one, b: 3}\n")
    config = load_stack_config(folder, load_project(folder), "dev", StackSecrets("x", "dev"))
    assert config.values["shop:two"] == '{"a":1,"b":3}'


def test_secure_values_are_decrypted_and_named_as_secret(folder: Path) -> None:
    sealed = Secrets.new("correct horse")
    (folder / "Pulumi.dev.yaml").write_text(
        f"encryptionsalt: {sealed.state}\nconfig:\n  plain: x\n"
        f"  password: {{secure: '{sealed.encrypt('hunter2')}'}}\n"
        f"  nested:\n    key: {{secure: '{sealed.encrypt('deep')}'}}\n"
    )
    project = load_project(folder)
    config = load_stack_config(folder, project, "dev", StackSecrets("correct horse", "dev"))
    assert config.values["shop:password"] == "hunter2"
    assert config.values["shop:nested"] == '{"key":"deep"}'
    assert sorted(config.secret_keys) == ["shop:nested", "shop:password"]
    with pytest.raises(WrongPassphraseError):
        load_stack_config(folder, project, "dev", StackSecrets("wrong", "dev"))


SALT = "encryptionsalt: {salt}\n"
KMS = "secretsprovider: awskms://alias/pulumi?region=us-west-2\nencryptedkey: AQIC\n"


@pytest.mark.parametrize(
    ("head", "secure", "reason"),
    [
        (SALT, "v1", "the passphrase is wrong; set PULUMI_CONFIG_PASSPHRASE"),
        ("", "AAABAJqVx8bI2p9mJbCe6HfV", "not encrypted with a passphrase (as in Pulumi Cloud)"),
        (KMS, "v1:JbVbVbVbVbVbVbVb:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "encrypted with 'awskms'"),
    ],
    ids=["another passphrase", "Pulumi Cloud", "KMS"],
)
def test_a_secret_that_cannot_be_decrypted_can_be_made_up(folder: Path, head: str, secure: str, reason: str) -> None:
    sealed = Secrets.new("correct horse")
    secure = sealed.encrypt("hunter2") if secure == "v1" else secure
    settings = {"plain": "x", "password": {"secure": secure}, "nested": {"key": {"secure": secure}, "size": 1}}
    (folder / "Pulumi.dev.yaml").write_text(head.format(salt=sealed.state) + json.dumps({"config": settings})[1:-1])
    project = load_project(folder)
    with pytest.raises(RehearsalError, match=re.escape(reason)):
        load_stack_config(folder, project, "dev", StackSecrets("wrong", "dev"))
    config = load_stack_config(folder, project, "dev", StackSecrets("wrong", "dev"), make_up_secrets=True)
    assert sorted(config.secret_keys) == sorted(config.made_up) == ["shop:nested", "shop:password"]
    assert all(reason in text for text in config.made_up.values())
    made_up = config.values["shop:password"]
    assert made_up.startswith("rehearsal-")
    assert len(made_up) == 43
    assert json.loads(config.values["shop:nested"]) == {"key": made_up, "size": 1}
    assert config.values["shop:plain"] == "x"
