"""The resources that exist in a simulated cloud: in memory, or in a folder that other processes and later runs read."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct

from novacron_rehearsal.clouds.provider_config import digest
from novacron_rehearsal.protocol import codec
from novacron_rehearsal.state.private_files import FOLDER_MODE, make_private_folder, replace_private_file, restrict
from novacron_rehearsal.values import PropertyMap

Key = tuple[str, str, str]
"""Type token, scope (region or cluster) and id of a resource."""


class CloudState:
    """Resources by their keys, and how many calls each fault has made fail.

    Without a folder, this process does not know what earlier ones created: `knows_all` is false, and the simulation
    trusts the program's state on what exists.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.knows_all = folder is not None
        self._folder = folder
        self._memory: dict[str, dict[str, Any]] = {}
        self._removed: set[str] = set()
        self._lock = threading.RLock()
        if folder is not None:
            make_private_folder(folder, folder)
            restrict(folder, FOLDER_MODE)

    def get(self, key: Key) -> tuple[PropertyMap, PropertyMap] | None:
        """Return a resource's inputs and outputs; `None` when it does not exist."""
        found = self._read(digest(*key))
        if found is None:
            return None
        inputs, outputs = (codec.decode(ParseDict(found[part], Struct())) for part in ("inputs", "outputs"))
        return inputs, outputs

    def add(self, key: Key, inputs: PropertyMap, outputs: PropertyMap) -> bool:
        """Create a resource. Returns false, and changes nothing, when one with this key exists."""
        with self._lock:
            if self._read(digest(*key)) is not None:
                return False
            self.put(key, inputs, outputs)
            return True

    def put(self, key: Key, inputs: PropertyMap, outputs: PropertyMap) -> None:
        """Create or change a resource."""
        entry = {
            "key": list(key),
            "inputs": MessageToDict(codec.encode(inputs)),
            "outputs": MessageToDict(codec.encode(outputs)),
        }
        self._write(digest(*key), entry)
        self._removed.discard(digest(*key))

    def remove(self, key: Key) -> None:
        """Remove a resource, if it exists."""
        name = digest(*key)
        self._removed.add(name)
        if self._folder is None:
            self._memory.pop(name, None)
        else:
            (self._folder / f"{name}.json").unlink(missing_ok=True)

    def was_removed(self, key: Key) -> bool:
        """Return whether this process removed the resource."""
        return digest(*key) in self._removed

    def list_keys(self) -> list[Key]:
        """Return the keys of all resources, sorted."""
        if self._folder is None:
            entries = list(self._memory.values())
        else:
            entries = [json.loads(path.read_text()) for path in self._folder.glob("*.json")]
        return sorted((key[0], key[1], key[2]) for entry in entries if (key := entry.get("key")))

    def list_inputs(self, token: str, scope: str) -> list[PropertyMap]:
        """Return the inputs of all resources of a type in a region or cluster, sorted by their ids."""
        keys = [key for key in self.list_keys() if key[:2] == (token, scope)]
        return [found[0] for key in keys if (found := self.get(key)) is not None]

    def count(self, fault: str) -> int:
        """Count one call that a fault matches. Returns how many were counted before."""
        with self._lock:
            name = digest("fault", fault)
            before = (self._read(name) or {}).get("count", 0)
            self._write(name, {"count": before + 1})
            return before

    def _read(self, name: str) -> dict[str, Any] | None:
        if self._folder is None:
            return self._memory.get(name)
        try:
            return json.loads((self._folder / f"{name}.json").read_text())
        except FileNotFoundError:
            return None

    def _write(self, name: str, entry: dict[str, Any]) -> None:
        if self._folder is None:
            self._memory[name] = entry
            return
        replace_private_file(self._folder / f"{name}.json", json.dumps(entry).encode())
