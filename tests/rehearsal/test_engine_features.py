"""Secrets, assets, transforms, providers, references and other parts of the protocol, one by one."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from novacron_rehearsal import Workspace
from novacron_rehearsal.values import Asset, Secret

from tests.rehearsal.conftest import Lab


def test_secrets_are_encrypted_in_the_state_and_stay_secret(lab: Lab) -> None:
    result = lab.up(
        """
        a = Thing("a", password=Output.secret("hunter2"), made_of="steel", opts=O(additional_secret_outputs=["made"]))
        pulumi.export("password", Output.secret("hunter2"))
        """
    )
    assert result.succeeded, result.errors
    state = lab.state()["a"]
    assert state.inputs["password"] == Secret("hunter2")
    assert isinstance(state.outputs["made"], Secret)
    assert result.outputs == {"password": Secret("hunter2")}
    on_disk = "".join(p.read_text() for p in (lab.folder / ".novacron").rglob("*.json"))
    assert "hunter2" not in on_disk
    assert "hunter2" in json.dumps(lab.workspace.export(show_secrets=True))
    assert lab.steps(lab.up()) == []


def on_disk(lab: Lab) -> str:
    return "".join(path.read_text() for path in (lab.folder / ".novacron").rglob("*.json*"))


SECRETS = """
Thing("a", password=Output.secret("hunter2"), opts=O(additional_secret_outputs=["made"]))
"""


def test_a_refresh_that_finds_a_change_keeps_secrets_secret(lab: Lab) -> None:
    assert lab.up(SECRETS).succeeded
    lab.provider.world["id-1"].update(password="hunter3", made="changed-made", size=2)
    result = lab.workspace.refresh(lab.options())
    assert lab.steps(result) == [("update", "a")]
    state = lab.state()["a"]
    assert state.outputs == {"password": Secret("hunter3"), "made": Secret("changed-made"), "size": 2}
    assert state.inputs == {"password": Secret("hunter3"), "size": 2}
    assert "hunter" not in on_disk(lab)
    assert "changed-made" not in on_disk(lab)


def test_an_import_keeps_secrets_secret(lab: Lab) -> None:
    lab.provider.world["there"] = {"password": "hunter2", "made": "there-made"}
    program = """
    Thing("a", password=Output.secret("hunter2"), opts=O(import_="there", additional_secret_outputs=["made"]))
    """
    result = lab.up(program)
    assert result.succeeded, result.errors
    assert lab.state()["a"].outputs == {"password": Secret("hunter2"), "made": Secret("there-made")}
    assert "hunter2" not in on_disk(lab)
    assert "there-made" not in on_disk(lab)


def test_a_read_resource_keeps_secrets_secret(lab: Lab) -> None:
    lab.provider.world["there"] = {"size": 5, "made": "there-made"}
    program = 'a = Thing("a", opts=O(id="there", additional_secret_outputs=["made"]))\npulumi.export("made", a.made)'
    for result in (lab.up(program), lab.workspace.refresh(lab.options()), lab.up()):
        assert result.succeeded, result.errors
        assert lab.state()["a"].outputs["made"] == Secret("there-made")
    assert "there-made" not in on_disk(lab)


def test_an_unchanged_resource_becomes_secret_when_the_program_says_so(lab: Lab) -> None:
    program = """
    a = Thing("a", size=1{})
    b = Thing("b", password={}, opts=O(depends_on=[a]))
    pulumi.export("made", a.made)
    """
    assert lab.up(program.format("", '"hunter2"')).succeeded
    second = lab.up(program.format(', opts=O(additional_secret_outputs=["made"])', 'Output.secret("hunter2")'))
    assert second.succeeded, second.errors
    assert ("update", "a") not in lab.steps(second)
    assert lab.state()["a"].outputs["made"] == Secret("id-1")
    assert lab.state()["b"].outputs["password"] == Secret("hunter2")
    assert second.outputs == {"made": Secret("id-1")}


def test_assets_carry_their_hash_and_a_new_content_is_an_update(lab: Lab) -> None:
    (lab.folder / "file.txt").write_text("one")
    lab.write('Thing("a", source=pulumi.FileAsset("file.txt"), note=pulumi.StringAsset("x"))')
    first = lab.up()
    assert first.succeeded, first.errors
    source = lab.state()["a"].inputs["source"]
    assert isinstance(source, Asset)
    assert source.hash == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    assert lab.steps(lab.up()) == []
    (lab.folder / "file.txt").write_text("two")
    assert lab.steps(lab.up()) == [("update", "a")]


def test_stack_transforms_and_option_transforms_change_inputs(lab: Lab) -> None:
    result = lab.up(
        """
        def double(args):
            if args.type_ != "sim:index:Thing":
                return None
            return pulumi.ResourceTransformResult(props={**args.props, "size": args.props["size"] * 2}, opts=args.opts)

        def name(args):
            return pulumi.ResourceTransformResult(props={**args.props, "owner": "me"}, opts=args.opts)

        pulumi.runtime.register_resource_transform(double)
        Thing("a", size=2)
        Thing("b", size=3, opts=O(transforms=[name]))
        """
    )
    assert result.succeeded, result.errors
    assert lab.state()["a"].inputs == {"size": 4}
    assert lab.state()["b"].inputs == {"size": 6, "owner": "me"}


def test_function_calls_return_results_and_wait_for_unknown_arguments(lab: Lab) -> None:
    program = """
    answer = pulumi.runtime.invoke("sim:index:double", {"number": 21}).value
    a = Thing("a", answer=answer["doubled"])
    later = pulumi.runtime.invoke_output("sim:index:double", {"number": a.made.apply(len)})
    pulumi.export("later", later.apply(lambda value: value["doubled"]))
    """
    preview = lab.preview(program)
    assert preview.succeeded, preview.errors
    result = lab.up()
    assert result.succeeded, result.errors
    assert lab.state()["a"].inputs == {"answer": 42}
    assert result.outputs == {"later": 8}


def test_explicit_providers_reach_children_through_components(lab: Lab) -> None:
    result = lab.up(
        """
        provider = pulumi.ProviderResource("sim", "mine", {"zone": "z1"})
        group = Group("group", opts=O(providers=[provider]))
        Thing("a", size=1, opts=O(parent=group))
        Thing("b", size=1)
        """
    )
    assert result.succeeded, result.errors
    state = lab.state()
    assert "::mine::" in state["a"].provider
    assert "::default::" in state["b"].provider
    assert lab.steps(lab.up()) == []


def test_a_provider_configured_from_an_output_is_unknown_in_previews(lab: Lab) -> None:
    program = """
    a = Thing("a", size=1)
    provider = pulumi.ProviderResource("sim", "mine", {"zone": a.made})
    Thing("b", size=1, opts=O(provider=provider))
    """
    preview = lab.preview(program)
    assert preview.succeeded, preview.errors
    assert ("create", "b") in lab.steps(preview)
    assert lab.up().succeeded
    assert set(lab.state()) == {"a", "b"}


def test_get_reads_a_resource_and_does_not_manage_it(lab: Lab) -> None:
    lab.provider.world["there"] = {"size": 5, "made": "there"}
    program = 'a = Thing("a", opts=O(id="there"))\npulumi.export("made", a.made)'
    result = lab.up(program)
    assert result.succeeded, result.errors
    assert result.outputs == {"made": "there"}
    assert lab.state()["a"].external
    assert lab.workspace.destroy(lab.options()).succeeded
    assert list(lab.provider.world) == ["there"]


def test_import_adopts_an_existing_resource_and_then_updates_it_to_the_programs_inputs(lab: Lab) -> None:
    lab.provider.world["there"] = {"size": 5, "made": "there"}
    program = 'Thing("a", size={}, opts=O(import_="there"))'
    assert not lab.up(program.format(5).replace("there", "nowhere")).succeeded
    result = lab.up(program.format(5))
    assert result.succeeded, result.errors
    assert lab.steps(result) == [("import", "a")]
    assert lab.state()["a"].id == "there"
    assert lab.steps(lab.up()) == []
    lab.workspace.forget()
    assert lab.steps(lab.preview(program.format(6))) == [("import", "a"), ("update", "a")]


def test_stack_references_read_another_stack(lab: Lab) -> None:
    lab.up('pulumi.export("plain", 1)\npulumi.export("hidden", Output.secret("s3cret"))')
    other = Workspace(lab.folder, "prod", passphrase="correct horse")
    lab.write(
        """
        reference = pulumi.StackReference("organization/lab/dev")
        pulumi.export("plain", reference.get_output("plain"))
        pulumi.export("hidden", reference.get_output("hidden"))
        """
    )
    result = other.up(lab.options())
    assert result.succeeded, result.errors
    assert result.outputs == {"plain": 1, "hidden": Secret("s3cret")}


DYNAMIC = """
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider, UpdateResult

class Notes(ResourceProvider):
    def create(self, props):
        return CreateResult("note-1", {**props, "length": len(props["text"])})

    def update(self, id, old, new):
        return UpdateResult({**new, "length": len(new["text"])})

class Note(Resource):
    length: pulumi.Output[int]

    def __init__(self, name, text, opts=None):
        super().__init__(Notes(), name, {"text": text, "length": None}, opts)

note = Note("note", pulumi.Config().require("text"))
pulumi.export("length", note.length)
"""


def test_dynamic_providers_in_a_process_of_the_program_s_own(lab: Lab) -> None:
    (lab.folder / "__main__.py").write_text(DYNAMIC)
    settings = lab.folder / "Pulumi.dev.yaml"
    settings.write_text("config:\n  lab:text: hello\n")
    result = lab.workspace.up()
    assert result.succeeded, result.errors
    assert result.outputs == {"length": 5}
    again = lab.workspace.up(lab.options(expect_no_changes=True))
    assert again.succeeded, again.errors
    settings.write_text("config:\n  lab:text: hello you\n")
    changed = lab.workspace.up(lab.options())
    assert changed.succeeded, changed.errors
    assert lab.steps(changed) == [("update", "note")]
    assert changed.outputs == {"length": 9}
    assert lab.workspace.destroy().succeeded


def test_plugins_of_pulumi_yaml_are_started_from_their_folder(lab: Lab) -> None:
    plugin = lab.folder / "plugin"
    plugin.mkdir()
    (plugin / "PulumiPlugin.yaml").write_text("runtime: python\n")
    conftest = str(Path(__file__).with_name("conftest.py"))
    (plugin / "__main__.py").write_text(
        textwrap.dedent(
            f"""
            import importlib.util, signal, sys
            spec = importlib.util.spec_from_file_location("simulated", {conftest!r})
            module = importlib.util.module_from_spec(spec)
            sys.modules["simulated"] = module
            spec.loader.exec_module(module)
            signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
            with module.serve(module.Simulated()) as port:
                print(port, flush=True)
                signal.pause()
            """
        )
    )
    (lab.folder / "Pulumi.yaml").write_text(
        "name: lab\nruntime: python\nplugins:\n  providers:\n    - name: sim\n      path: plugin\n"
    )
    workspace = Workspace(lab.folder, "dev", passphrase="x")
    lab.write('a = Thing("a", size=1)\npulumi.export("made", a.made)')
    result = workspace.up(lab.options(attached_providers={}))
    assert result.succeeded, result.errors
    assert result.outputs == {"made": "id-1"}


GUARDED = """
def check(args):
    if int(args.new_inputs["size"]) < int(args.old_inputs["size"]):
        raise ValueError(f"size {int(args.old_inputs['size'])} is there, and {args.name} does not shrink")

hook = pulumi.ResourceHook("size", check, pulumi.ResourceHookOptions(on_dry_run=DRY))
Thing("a", size=SIZE, opts=O(hooks=pulumi.ResourceHookBinding(before_update=[hook])))
"""


def test_a_hook_refuses_an_update_in_the_preview_as_well(lab: Lab) -> None:
    def guarded(size: int, *, dry: bool = True) -> str:
        return GUARDED.replace("SIZE", str(size)).replace("DRY", str(dry))

    assert lab.up(guarded(2)).succeeded
    assert lab.up(guarded(3)).succeeded
    refused = [lab.preview(guarded(1)), lab.up(guarded(1)), lab.up(guarded(1, dry=False))]
    for result in refused:
        assert not result.succeeded
        assert "size 3 is there, and a does not shrink" in result.errors
    assert lab.preview(guarded(1, dry=False)).succeeded
    assert lab.state()["a"].inputs["size"] == 3


def test_hooks_of_other_moments_are_refused(lab: Lab) -> None:
    result = lab.up(
        """
        hook = pulumi.ResourceHook("after", lambda args: None)
        Thing("a", size=1, opts=O(hooks=pulumi.ResourceHookBinding(after_create=[hook])))
        """
    )
    assert not result.succeeded
    assert "has resource hooks (after_create)" in result.errors
