"""A project's own entries of the catalogue: they are found, extend and replace, and every problem is reported."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from novacron_infra.catalog import (
    CatalogFilesError,
    Cloud,
    Offered,
    find_gpu,
    find_machine,
    find_model,
    find_offer,
    find_own_folder,
    find_price,
    load_region_lists,
)
from novacron_infra.config import load
from novacron_infra.errors import ConfigurationError

from tests.unit.config.environments import plan, read_stack

SOURCE = "source: our contract, as_of: 2026-11-30"
MACHINE = (
    "- {name: p9.48xlarge, cloud: aws, gpu: H900, gpu_count: 8, vcpus: 192, memory_gib: 2048, local_nvme_gb: 30400,\n"
    "   network_gbps: 3200, fabric: {kind: efa, interfaces: 16, first_card: 0}, " + SOURCE + "}\n"
)
GPU = "- {name: H900, architecture: hopper, memory_mib: 163840, " + SOURCE + "}\n"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the own entries of a project whose program runs in a subfolder."""
    (tmp_path / "Pulumi.yaml").write_text("name: ours\nruntime: python\n")
    (tmp_path / "program").mkdir()
    (tmp_path / "catalog").mkdir()
    monkeypatch.chdir(tmp_path / "program")
    return tmp_path / "catalog"


def problems(own: Path, **files: str) -> list[str]:
    """Write files of the folder, and return the problems that the catalogue has with them."""
    for name, text in files.items():
        (own / f"{name.replace('_ours', '-ours')}.yaml").write_text(text)
    with pytest.raises(CatalogFilesError) as caught:
        find_machine("p5.48xlarge")
    return [str(item) for item in caught.value.problems]


def test_own_entries_extend_the_catalogue_up_to_the_plan(own: Path) -> None:
    (own / "gpus.yaml").write_text(GPU)
    (own / "machines-ours.yaml").write_text(MACHINE)
    (own / "prices.yaml").write_text(
        "- {cloud: aws, usd_per_hour: {p9.48xlarge: {us-west-2: 70}, p5.48xlarge: {us-west-2: 30}},\n"
        f"   {SOURCE}}}\n"
    )
    assert find_own_folder() == own
    assert find_gpu("H900").memory_gib == 160
    stack = read_stack("staging")
    stack["workers"]["machine"] = "p9.48xlarge"
    planned = plan(stack)
    assert [(item.machines.machine.name, item.price and item.price.usd_per_hour) for item in planned.cost.machines] == [
        ("i4i.16xlarge", 5.491),
        ("p9.48xlarge", 70),
    ]
    # A price of the project's own goes before those of the package, in its region.
    price = find_price("p5.48xlarge", "us-west-2")
    assert price is not None
    assert (price.usd_per_hour, price.source) == (30, "our contract")
    price = find_price("p5.48xlarge", "eu-north-1")
    assert price is not None
    assert price.usd_per_hour == 58.8928


def test_an_own_entry_replaces_the_one_of_its_name(own: Path) -> None:
    (own / "models.yaml").write_text(
        "- {name: llama-3.1-8b, layers: 32, hidden: 4096, intermediate: 14336, attention_heads: 32, kv_heads: 8,\n"
        "   head_dim: 128, vocabulary: 128256, tied_embeddings: false, max_context_tokens: 8192,\n"
        f"   parameters: 8030261248, {SOURCE}}}\n"
    )
    assert find_model("llama-3.1-8b").max_context_tokens == 8192
    assert find_model("llama-3.1-70b").max_context_tokens == 131072


def test_own_lists_add_regions_and_offers(own: Path) -> None:
    (own / "region_names.yaml").write_text(f"- {{cloud: aws, names: [eu-west-9], {SOURCE}}}\n")
    (own / "regions.yaml").write_text(f"- {{cloud: aws, offers: {{p5.48xlarge: [eu-west-1, eu-west-9]}}, {SOURCE}}}\n")
    assert {"eu-west-9", "us-west-2"} <= set(load_region_lists()[Cloud.AWS].names)
    offer = find_offer("p5.48xlarge", "eu-west-1")
    assert (offer.offered, offer.source) == (Offered.YES, "our contract, 2026-11-30")


def test_without_own_files_a_region_that_does_not_sell_the_machine_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stack = read_stack("prod")
    zones = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    stack["regions"][2] |= {"name": "eu-west-1", "zones": zones}
    with pytest.raises(ConfigurationError) as caught:
        load(stack)
    (found,) = caught.value.problems
    assert found.path == "novacron:environment.regions[eu-west-1].name"
    assert "does not offer p5.48xlarge" in found.rule
    assert "2026-08-26" in found.rule
    assert "Use p4d.24xlarge" in found.fix


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"gpus": GPU.replace("163840", "lots")},
            "catalog/gpus.yaml[H900].memory_mib = lots: it must be a whole number. Write it in digits, without quotes "
            "(memory_mib: The memory that the driver reports)",
        ),
        (
            {"gpus": GPU, "machines_ours": MACHINE.replace("vcpus: 192, ", "")},
            "catalog/machines-ours.yaml[p9.48xlarge].vcpus is missing: this key is required. Add it",
        ),
        (
            {"gpus": GPU, "machines": MACHINE.replace("vcpus", "vcpu")},
            "catalog/machines.yaml[p9.48xlarge].vcpu = 192: it is an unknown key. Did you mean vcpus?",
        ),
        (
            {"machines": MACHINE},
            "catalog/machines.yaml[p9.48xlarge].gpu = H900: it is not a GPU model of the catalogue. ",
        ),
        (
            {"gpus": GPU, "machines": MACHINE.replace("first_card: 0", "first_card: null")},
            "catalog/machines.yaml[p9.48xlarge].fabric.first_card is missing: the launch template needs the network",
        ),
        (
            {"gpus": GPU, "machines": MACHINE.replace("kind: efa", "kind: infiniband")},
            "catalog/machines.yaml[p9.48xlarge].fabric.kind = infiniband: machines of aws do not have this fabric. ",
        ),
        (
            {"gpus": GPU, "machines": MACHINE.replace("cloud: aws", "cloud: gcp").replace("kind: efa", "kind: roce")},
            "catalog/machines.yaml[p9.48xlarge].gke.accelerator is missing: GKE needs its own name of H900. Add it",
        ),
        (
            {"gpus": GPU, "machines": MACHINE, "machines_ours": MACHINE},
            "catalog/machines.yaml[p9.48xlarge].name = p9.48xlarge: catalog/machines-ours.yaml[p9.48xlarge] has ",
        ),
        (
            {"prices": f"- {{cloud: gcp, usd_per_hour: {{p5.48xlarge: {{us-west1: 1}}}}, {SOURCE}}}\n"},
            "catalog/prices.yaml[item 1].usd_per_hour = p5.48xlarge: it is a machine of aws, and the list is of gcp. ",
        ),
        (
            {"prices": f"- {{cloud: aws, usd_per_hour: {{p5.48xlarge: {{us-west-2: -1}}}}, {SOURCE}}}\n"},
            'catalog/prices.yaml[item 1].usd_per_hour."p5.48xlarge".us-west-2 = -1: it must be more than 0',
        ),
        (
            {"machines": "p9.48xlarge: {cloud: aws}\n"},
            "catalog/machines.yaml = a mapping: it must be a list. Write each entry after a dash",
        ),
        (
            {"gpus": GPU + "- {name: [}\n"},
            "catalog/gpus.yaml = (not shown): it is not valid YAML: ",
        ),
        (
            {"machine": MACHINE},
            "catalog/machine.yaml = machine.yaml: the name does not tell which entries the file ",
        ),
    ],
)
def test_a_problem_names_file_entry_value_rule_and_fix(own: Path, files: dict[str, str], expected: str) -> None:
    (found,) = problems(own, **files)
    assert found.startswith(expected)


def test_all_problems_of_all_files_are_reported_together(own: Path) -> None:
    found = problems(own, gpus=GPU.replace("hopper", "volta"), machines=MACHINE.replace("192", "0"), prices="7\n")
    assert [item.partition(" = ")[0] for item in found] == [
        "catalog/gpus.yaml[H900].architecture",
        "catalog/machines.yaml[p9.48xlarge].vcpus",
        "catalog/prices.yaml",
    ]


def test_nested_aliases_end_in_an_error_within_a_second(own: Path) -> None:
    levels = "".join(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    start = time.process_time()
    (found,) = problems(own, machines="- &a0 [x]\n" + levels)
    assert "aliases expand to more than 100,000 values" in found
    assert time.process_time() - start < 1


def test_a_model_whose_parameters_do_not_add_up_is_refused(own: Path) -> None:
    figures = "layers: 32, hidden: 4096, intermediate: 14336, attention_heads: 32, kv_heads: 8, head_dim: 128"
    more = f"vocabulary: 128256, tied_embeddings: false, max_context_tokens: 8192, parameters: 80302612480, {SOURCE}"
    (found,) = problems(own, models=f"- {{name: ours, {figures}, {more}}}\n")
    assert "parameters = 80302612480: the other figures add up to 8030261248" in found
