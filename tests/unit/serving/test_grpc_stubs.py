"""The generated code in the repository matches the .proto file. `make stubs` generates it."""

from __future__ import annotations

from pathlib import Path

import grpc_tools
from grpc_tools import protoc

SERVING = Path(__file__).parents[3] / "serving"
PROTO = Path("novacron_serving/protocol/worker.proto")


def test_the_generated_stubs_match_the_proto_file(tmp_path: Path) -> None:
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    assert protoc.main(["protoc", f"-I{SERVING}", f"-I{well_known}", *outputs, str(SERVING / PROTO)]) == 0
    made = {path.name: path.read_text() for path in (tmp_path / PROTO.parent).iterdir()}
    assert set(made) == {"worker_pb2.py", "worker_pb2.pyi", "worker_pb2_grpc.py"}
    for name, text in made.items():
        assert text == (SERVING / PROTO.parent / name).read_text(), f"{name} is out of date: make stubs"
