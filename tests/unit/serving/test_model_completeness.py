"""Publishing a model: an incomplete folder is refused, and the message names the file."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from novacron_serving.models import StoreError, open_folder, publish, verify

INDEX, LAST = "model.safetensors.index.json", "model-00002-of-00002.safetensors"


def write_shard(path: Path, names: list[str], *, shape: Sequence[int] = (16,), first_byte: int = 0) -> None:
    starts = range(first_byte, first_byte + 64 * len(names), 64)
    header = {
        name: {"dtype": "F32", "shape": list(shape), "data_offsets": [start, start + 64]}
        for name, start in zip(names, starts, strict=True)
    }
    text = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(64 * len(names)))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    shards = {"model-00001-of-00002.safetensors": ["a", "b"], LAST: ["c"]}
    for file, names in shards.items():
        write_shard(folder / file, names)
    index = {"weight_map": {name: file for file, names in shards.items() for name in names}}
    (folder / INDEX).write_text(json.dumps(index))
    return folder


def write(folder: Path, name: str, content: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def link(folder: Path, name: str, target: Path) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(target)


def cut_short(folder: Path) -> None:
    write(folder, LAST, (folder / LAST).read_bytes()[:-20])


def make_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123\n"
INCOMPLETE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing shard": (lambda folder: (folder / LAST).unlink(), rf"index\.json names {LAST}, which is missing"),
    "all shards missing": (
        lambda folder: [path.unlink() for path in folder.glob("*.safetensors")],
        "(?s)2 problems.*model-00001-of-00002.*model-00002-of-00002",
    ),
    "no weights": (lambda folder: [path.unlink() for path in folder.glob("model*")], "it has no weights"),
    "index of another revision": (
        lambda folder: write_shard(folder / LAST, ["other"]),
        rf"index\.json names {LAST} for 1 of its tensors, such as 'c', which the file does not have",
    ),
    "index that names a file elsewhere": (
        lambda folder: write(folder, INDEX, b'{"weight_map": {"c": "../other.safetensors"}}'),
        r"index\.json names '\.\./other\.safetensors', which is not a file of its folder",
    ),
    "tensor without room for its shape": (
        lambda folder: write_shard(folder / LAST, ["c"], shape=[17]),
        f"{LAST} has no readable safetensors header .tensor 'c' has 64 bytes, but its shape needs 68",
    ),
    "tensors with a gap": (
        lambda folder: write_shard(folder / LAST, ["c"], first_byte=4),
        f"{LAST} has a gap or an overlap before tensor 'c'",
    ),
    "leftover next to the shards": (
        lambda folder: write(folder, LAST + ".incomplete", b"x"),
        f"{LAST}.incomplete is a leftover of an interrupted download",
    ),
    "leftover of aria2": (
        lambda folder: write(folder, LAST + ".aria2", b"x"),
        f"{LAST}.aria2 is a leftover of an interrupted download",
    ),
    "link to itself": (lambda folder: link(folder, LAST, Path(LAST)), f"{LAST} cannot be followed"),
    "shard cut short": (cut_short, rf"{LAST} has \d+ bytes, but its header describes \d+"),
    "shard with extra bytes": (
        lambda folder: write(folder, LAST, (folder / LAST).read_bytes() + b"x"),
        f"{LAST} has .* but its header describes",
    ),
    "empty shard": (lambda folder: write(folder, LAST, b""), f"{LAST} has no readable safetensors header"),
    "shard without tensors": (lambda folder: write_shard(folder / LAST, []), f"{LAST} has no tensors"),
    "huge header": (
        lambda folder: write(folder, LAST, (2**40).to_bytes(8, "little") + b"{}"),
        f"{LAST} has no readable safetensors header",
    ),
    "header that is a list": (
        lambda folder: write(folder, LAST, (2).to_bytes(8, "little") + b"[]"),
        f"{LAST} has no readable safetensors header",
    ),
    "index that is not JSON": (
        lambda folder: write(folder, INDEX, b"{"),
        r"index\.json is not an index of weight files",
    ),
    "index without a map": (
        lambda folder: write(folder, INDEX, b"[]"),
        r"index\.json is not an index of weight files",
    ),
    "Git LFS pointer of a shard": (lambda folder: write(folder, LAST, POINTER), f"{LAST} is a Git LFS pointer"),
    "Git LFS pointer of the tokenizer": (
        lambda folder: write(folder, "tokenizer.json", POINTER),
        r"tokenizer\.json is a Git LFS pointer",
    ),
    "dangling link": (lambda folder: link(folder, LAST, Path("../blobs/absent")), f"{LAST} is a link to a file that"),
    "link to a folder": (lambda folder: link(folder, "more", folder.parent), "more is neither a file nor a folder"),
    "pipe": (make_pipe, "pipe is neither a file nor a folder"),
    "leftover of a download": (
        lambda folder: write(folder, ".cache/huggingface/download/x.incomplete", b"x"),
        r"\.cache is a hidden folder",
    ),
    "Git repository": (lambda folder: write(folder, ".git/config", b"x"), r"\.git is a hidden folder"),
}


@pytest.mark.parametrize("name", INCOMPLETE)
def test_an_incomplete_model_is_not_published(tmp_path: Path, model: Path, name: str) -> None:
    spoil, message = INCOMPLETE[name]
    spoil(model)
    with pytest.raises(StoreError, match=message):
        publish(model, open_folder(f"file://{tmp_path}/store"), model_id="m")
    assert not (tmp_path / "store").exists(), "nothing was uploaded"


def test_all_problems_are_reported_together(tmp_path: Path, model: Path) -> None:
    cut_short(model)
    write(model, "tokenizer.json", POINTER)
    write(model, ".git/config", b"x")
    write(model, ".git/hooks/x", b"x")
    link(model, "model-00001-of-00002.safetensors", Path("../blobs/absent"))
    with pytest.raises(StoreError, match="is not a complete model: 5 problems") as caught:
        publish(model, open_folder(f"file://{tmp_path}/store"), model_id="m")
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        ".git", "model-00001-of-00002.safetensors", LAST, "tokenizer.json", INDEX,
    ]  # fmt: skip
    assert all(";" in line for line in lines[1:]), "each line has a fix"


def test_a_long_list_of_problems_is_cut(tmp_path: Path, model: Path) -> None:
    for at in range(100):
        write(model, f"more/part-{at:03}.safetensors", POINTER)
    with pytest.raises(StoreError, match="100 problems") as caught:
        publish(model, open_folder(f"file://{tmp_path}/store"), model_id="m")
    lines = str(caught.value).splitlines()
    assert len(lines) == 12
    assert lines[-1] == "  and 90 more"


def test_a_complete_model_of_linked_files_is_published(tmp_path: Path, model: Path) -> None:
    """As a snapshot folder of the Hugging Face cache has them."""
    (model / LAST).rename(tmp_path / "blob")
    link(model, LAST, tmp_path / "blob")
    folder = open_folder(f"file://{tmp_path}/store")
    manifest = publish(model, folder, model_id="m")
    assert {file.path for file in manifest.files} == {path.name for path in model.iterdir()}
    assert verify(folder) == manifest


def test_a_folder_that_does_not_exist_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist or is not a folder"):
        publish(tmp_path / "absent", open_folder(f"file://{tmp_path}/store"), model_id="m")
