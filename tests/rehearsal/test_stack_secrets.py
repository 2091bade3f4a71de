"""A stack's secrets: from its configuration as secrets, or generated once; never a default, never in plain."""

from __future__ import annotations

import json
import re

import pytest
from novacron_rehearsal import Severity, Workspace
from novacron_rehearsal.clouds import serve_clouds
from novacron_rehearsal.state.secrets import Secrets
from novacron_rehearsal.values import Secret

from tests.rehearsal.conftest import Lab

PROGRAM = """
from novacron_infra.config import EnvironmentSecrets
from novacron_infra.generated import complete_secrets
secrets = complete_secrets(EnvironmentSecrets(api_key=Output.secret("from-the-configuration")))
pulumi.export("passwords", [secrets.database_password, secrets.redis_password, secrets.grafana_password])
pulumi.export("api_key", secrets.api_key)
"""


def test_a_secret_that_the_configuration_does_not_set_is_generated_once_and_kept_secret(lab: Lab) -> None:
    with serve_clouds(["random"]) as ports:
        first = lab.up(PROGRAM, attached_providers=ports)
        assert first.succeeded, first.errors
        kept = lab.up(attached_providers=ports).outputs
    assert first.outputs["api_key"] == Secret("from-the-configuration")
    assert kept == first.outputs
    assert all(isinstance(item, Secret) for item in kept["passwords"])
    passwords = [item.value for item in kept["passwords"]]
    assert len(set(passwords)) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", password) for password in passwords)
    on_disk = "".join(file.read_text() for file in (lab.folder / ".novacron").rglob("*.json"))
    assert not any(password in on_disk for password in passwords)


def test_a_secret_that_the_stack_s_file_holds_in_plain_is_refused_with_other_problems(lab: Lab) -> None:
    (lab.folder / "Pulumi.dev.yaml").write_text(
        json.dumps({"config": {"novacron:environment": {"platform": "moon"}, "novacron:apiKey": "hunter2"}})
    )
    result = lab.up("from novacron_infra.config import load_stack\nload_stack()")
    assert not result.succeeded
    assert "novacron:environment.platform" in result.errors
    assert "pulumi config set --secret novacron:apiKey" in result.errors
    assert "novacron:apiKey = (hidden): it is too short" in result.errors
    assert "hunter2" not in result.errors


def test_a_rehearsal_decrypts_the_configuration_with_its_own_passphrase_not_with_that_of_the_state(lab: Lab) -> None:
    sealed = Secrets.new("correct horse")
    settings = {"encryptionsalt": sealed.state, "config": {"lab:password": {"secure": sealed.encrypt("hunter2")}}}
    (lab.folder / "Pulumi.dev.yaml").write_text(json.dumps(settings))
    lab.write('pulumi.export("password", pulumi.Config().require_secret("password"))')
    workspace = Workspace(lab.folder, "dev", passphrase="of the state", config_passphrase="correct horse")
    result = workspace.up(lab.options(simulated_only=True))
    assert result.succeeded, result.errors
    assert workspace.outputs() == {"password": Secret("hunter2")}
    assert not [item for item in result.diagnostics if item.severity is Severity.WARNING]


def test_a_rehearsal_warns_about_configuration_secrets_that_it_made_up(lab: Lab) -> None:
    settings = {"encryptionsalt": Secrets.new("correct horse").state, "config": {"lab:password": {"secure": "AAAB"}}}
    (lab.folder / "Pulumi.dev.yaml").write_text(json.dumps(settings))
    lab.write('pulumi.export("password", pulumi.Config().require_secret("password"))')
    workspace = Workspace(lab.folder, "dev", passphrase="of the state", config_passphrase="")
    result = workspace.up(lab.options(simulated_only=True))
    assert result.succeeded, result.errors
    password = result.outputs["password"]
    assert isinstance(password, Secret)
    assert str(password.value).startswith("rehearsal-")
    [warning] = [item.message for item in result.diagnostics if item.severity is Severity.WARNING]
    assert warning.startswith("configuration lab:password cannot be decrypted: the rehearsal uses a made-up value.")
    refused = workspace.up(lab.options())
    assert "no passphrase is set; set PULUMI_CONFIG_PASSPHRASE" in refused.errors


@pytest.mark.parametrize(
    ("passphrase", "problem"), [("", "no passphrase is set"), ("wrong", "the passphrase is wrong")]
)
@pytest.mark.parametrize(
    "program",
    ['require_secret_int("num")', 'get_bool("num")', 'require_secret_object("num").apply(lambda n: int(n["a"]))'],
)
def test_a_made_up_secret_of_the_wrong_type_is_explained_in_the_error(
    lab: Lab, passphrase: str, problem: str, program: str
) -> None:
    sealed = Secrets.new("correct horse")
    secure = {"secure": sealed.encrypt("7")}
    other = {"secure": sealed.encrypt("8")}
    values = {"lab:num": {"a": secure} if "object" in program else secure, "lab:other": other}
    (lab.folder / "Pulumi.dev.yaml").write_text(json.dumps({"encryptionsalt": sealed.state, "config": values}))
    lab.write(f"pulumi.export('a', pulumi.Config().{program})")
    workspace = Workspace(lab.folder, "dev", passphrase="of the state", config_passphrase=passphrase)
    result = workspace.up(lab.options(simulated_only=True))
    assert not result.succeeded
    assert "The rehearsal made up the value of lab:num. Reason: stack 'dev'" in result.errors
    assert f"{problem}; set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE" in result.errors
    [warning] = [item.message for item in result.diagnostics if item.severity is Severity.WARNING]
    assert warning.startswith(
        "configuration lab:num, lab:other cannot be decrypted: the rehearsal uses made-up values. Reason: stack 'dev'"
    )


def test_a_salt_without_a_secret_does_not_need_its_passphrase_in_a_rehearsal(lab: Lab) -> None:
    settings = {"encryptionsalt": Secrets.new("correct horse").state, "config": {"lab:size": "1"}}
    (lab.folder / "Pulumi.dev.yaml").write_text(json.dumps(settings))
    workspace = Workspace(lab.folder, "dev", passphrase="of the state", config_passphrase="")
    lab.write('Thing("a", password=Output.secret("hunter2"))')
    result = workspace.up(lab.options(simulated_only=True))
    assert result.succeeded, result.errors
