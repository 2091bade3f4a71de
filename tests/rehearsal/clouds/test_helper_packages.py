"""Packages next to the clouds: `random` gives real results, and of any other installed SDK the classes are enough."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from novacron_rehearsal.clouds import serve_clouds
from novacron_rehearsal.values import UNKNOWN, Secret

from tests.rehearsal.clouds.conftest import Site, taken

RANDOM = """
import pulumi, pulumi_random as random
password = random.RandomPassword("password", length=24, special=False)
other = random.RandomPassword("other", length=24, special=False)
suffix = random.RandomId("suffix", byte_length=4, keepers={"version": pulumi.Config().require("version")})
pulumi.export("passwords", [password.result, other.result])
pulumi.export("suffix", suffix.hex)
"""


def plain(outputs: Any) -> list[str]:
    return [item.value for item in outputs["passwords"]]


def test_random_results_stay_until_a_keeper_changes(site: Site) -> None:
    site.write(RANDOM, **{"site:version": "1"})
    first = site.up()
    assert first.succeeded, first.errors
    passwords = plain(first.outputs)
    assert len(set(passwords)) == 2
    assert all(len(password) == 24 and password.isalnum() for password in passwords)
    again = site.up()
    assert taken(again) == {}
    assert again.outputs == first.outputs
    refreshed = site.workspace.refresh(site.options)
    assert refreshed.succeeded, refreshed.errors
    assert site.up(expect_no_changes=True).outputs == first.outputs
    site.write(RANDOM, **{"site:version": "2"})
    changed = site.up()
    assert taken(changed)["replace"] == 1
    assert changed.outputs["suffix"] != first.outputs["suffix"]
    assert plain(changed.outputs) == passwords
    assert site.workspace.destroy(site.options).succeeded
    assert site.made("random") == []


def test_a_command_does_not_run_and_what_it_prints_is_unknown(site: Site) -> None:
    site.write(
        """
        import pulumi
        from pulumi_command import local
        command = local.Command("touch", create="touch really-made")
        length = command.stdout.apply(len)
        local.Command("next", create=pulumi.Output.concat("echo ", command.stdout))
        pulumi.export("stdout", command.stdout)
        pulumi.export("length", length)
        """
    )
    result = site.up(simulated_only=True)
    assert result.succeeded, result.errors
    assert result.outputs == {"stdout": UNKNOWN, "length": UNKNOWN}
    assert len(site.made("command")) == 2
    assert not (site.folder / "really-made").exists()


def test_a_package_of_which_only_the_sdk_is_known_is_checked_and_made(site: Site) -> None:
    program = """
    import pulumi, pulumi_tls as tls
    key = tls.PrivateKey("key", algorithm={})
    pulumi.export("public", key.public_key_openssh)
    """
    site.write(program.format('"RSA"'))
    result = site.up(simulated_only=True)
    assert result.succeeded, result.errors
    assert str(result.outputs["public"]).startswith("simulated-")
    site.write(program.format("5"))
    refused = site.up(simulated_only=True)
    assert "algorithm: is 5; give text" in refused.errors


def test_an_imported_password_is_kept_and_can_be_deleted(site: Site) -> None:
    site.write(
        """
        import pulumi, pulumi_random as random
        password = random.RandomPassword("password", length=7, opts=pulumi.ResourceOptions(import_="hunter2"))
        pulumi.export("password", password.result)
        """
    )
    with serve_clouds(["random"]) as ports:
        options = replace(site.options, attached_providers=ports)
        result = site.workspace.up(options)
        assert result.succeeded, result.errors
        assert result.outputs["password"] == Secret("hunter2")
        assert site.workspace.destroy(options).succeeded
