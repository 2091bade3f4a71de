"""The logs of a stack's pods: the last lines, and what follows, in bounded memory."""

from __future__ import annotations

import codecs
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from novacron_infra.clock import SYSTEM_CLOCK, Clock
from novacron_rehearsal.errors import ProviderError
from novacron_rehearsal.kubernetes.cluster import Cluster
from novacron_rehearsal.kubernetes.objects import Object, find_objects, find_text, name_of, namespace_of

from novacron_ops.clusters.state import DeployedCluster

LONGEST_LINE = 64 * 1024
"""Characters after which a line is broken."""
LOOK_AGAIN_S = 2.0
"""Time between two looks for new pods."""
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\S+) ")
"""The time that begins each line. The rest of a line that was broken has none."""

PrintLine = Callable[[str, str], None]
"""Prints a line of a container, whose name is the first argument."""


@dataclass(frozen=True, slots=True)
class _Container:
    namespace: str
    pod: str
    name: str
    label: str


class LogReader:
    """Reads the logs of one cluster's pods.

    Args:
        cluster: the cluster.
        wanted: name of a pod or of a container, such as `worker`; None for all.
        show: prints a line. It is called by one thread at a time.
        clock: waits between two looks for new pods.
    """

    def __init__(
        self, cluster: DeployedCluster, wanted: str | None, show: PrintLine, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._cluster = cluster
        self._wanted = wanted
        self._show = show
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[_Container, str] = {}
        """Time of the last line of each container, as the API server writes it."""
        self._followers: dict[_Container, threading.Thread] = {}

    def list_names(self) -> list[str]:
        """Return the names that may be asked for: those of containers, then those of pods.

        Raises:
            ProviderError: if the cluster cannot be read.
        """
        with self._cluster.connect() as connection:
            pods = self._cluster.list_pods(connection)
        return [*dict.fromkeys(name for pod in pods for name in _container_names(pod)), *map(name_of, pods)]

    def print_last(self, lines: int) -> int:
        """Print the last lines of every container, and return the number of containers.

        Raises:
            ProviderError: if the cluster cannot be read.
        """
        with self._cluster.connect() as connection:
            containers = self._find_containers(connection)
            for container in containers:
                with suppress(ProviderError):  # a container that has not started yet has no log
                    self._print(connection, container, {"tailLines": str(lines)})
            return len(containers)

    def follow(self) -> None:
        """Print new lines of every container, those of new pods as well, until no pod is left.

        While the cluster does not answer, it is asked again.
        """
        with self._cluster.connect() as connection:
            while True:
                try:
                    containers = self._find_containers(connection)
                except ProviderError:
                    self._clock.sleep(LOOK_AGAIN_S)
                    continue
                if not containers:
                    return
                running = {one: thread for one, thread in self._followers.items() if thread.is_alive()}
                for container in containers:
                    if container not in running:
                        arguments = (connection, container)
                        running[container] = threading.Thread(target=self._follow_one, args=arguments, daemon=True)
                        running[container].start()
                self._followers = running
                self._clock.sleep(LOOK_AGAIN_S)

    def _follow_one(self, connection: Cluster, container: _Container) -> None:
        since = self._last.get(container)
        query = {"follow": "true"} | ({"sinceTime": since} if since else {})
        # A stream that breaks is opened again at the next look.
        with suppress(ProviderError):
            self._print(connection, container, query)

    def _print(self, connection: Cluster, container: _Container, query: dict[str, str]) -> None:
        query = {"container": container.name, "timestamps": "true", **query}
        seen = self._last.get(container, "")
        with connection.open_log(container.namespace, container.pod, query) as response:
            for line in split_lines(response.iter_bytes()):
                if time := _TIME.match(line):
                    if time[1] <= seen:
                        continue  # `sinceTime` has whole seconds
                    self._last[container] = time[1]
                with self._lock:
                    self._show(container.label, line[time.end() :] if time else line)

    def _find_containers(self, connection: Cluster) -> list[_Container]:
        found: list[_Container] = []
        for pod in self._cluster.list_pods(connection):
            names = _container_names(pod)
            for name in names:
                if self._wanted in (None, name, name_of(pod)):
                    label = name_of(pod) if len(names) == 1 else f"{name_of(pod)}/{name}"
                    found.append(_Container(namespace_of(pod), name_of(pod), name, label))
        return found


def split_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Split bytes into lines, and lines longer than `LONGEST_LINE` into several."""
    decoder, rest = codecs.getincrementaldecoder("utf-8")("replace"), ""
    for chunk in chunks:
        *whole, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from whole
        while len(rest) > LONGEST_LINE:
            yield rest[:LONGEST_LINE]
            rest = rest[LONGEST_LINE:]
    if rest:
        yield rest


def _container_names(pod: Object) -> list[str]:
    return [find_text(item, "name") for item in find_objects(pod, "spec", "containers")]
