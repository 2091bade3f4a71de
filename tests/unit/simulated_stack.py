"""Deploys an environment to simulated clouds inside the test's process, and compares two versions of it.

There is no engine, no process and no gRPC: a monitor answers the SDK with the outputs, the names and the replacement
rules of `novacron_rehearsal.clouds`. A deployment of one region takes a fraction of a second.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from novacron_infra import build
from novacron_infra.config import EnvironmentSecrets, LocalEnvironment, load
from novacron_rehearsal.clouds.functions import call_function
from novacron_rehearsal.clouds.input_diffs import compare_inputs
from novacron_rehearsal.clouds.outputs import (
    SimulatedResource,
    add_name,
    compute_id,
    compute_outputs,
    describe_existing,
)
from novacron_rehearsal.clouds.provider_config import ProviderConfig, digest, read_provider_config
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.events import StepOp
from novacron_rehearsal.protocol import codec
from novacron_rehearsal.protocol.exec_program import without_unused_work
from novacron_rehearsal.values import PropertyMap
from pulumi.runtime import mocks
from pulumi.runtime.proto import resource_pb2

_PROVIDERS = "pulumi:providers:"


@dataclass(frozen=True, slots=True)
class Resource:
    """A deployed resource that is not a component."""

    type: str
    name: str
    id: str
    inputs: PropertyMap
    """With the name that was generated, if the program gives none."""
    seed: str
    """Decides the generated values, such as ids. A replacement has another seed than the resource it replaces."""
    region: str
    """The region in which the id is unique; empty where it is unique in the account or worldwide."""
    protect: bool
    retain_on_delete: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A change of one resource."""

    op: StepOp
    type: str
    name: str
    properties: tuple[str, ...] = ()
    """Inputs that replace the resource, or that are updated."""
    paths: frozenset[str] = frozenset()
    """Everything that differs, such as `spec.template.spec.containers[0].image`."""


@dataclass
class Deployment:
    """The resources of a program, and the steps from the deployment before."""

    resources: dict[str, Resource] = field(default_factory=dict)
    """By URN."""
    steps: list[Step] = field(default_factory=list)
    components: list[str] = field(default_factory=list)
    """URNs of the components."""

    def of(self, op: StepOp) -> list[Step]:
        """Return the steps of one operation."""
        return [step for step in self.steps if step.op is op]


def deploy(values: Mapping[str, Any], before: Deployment | None = None) -> Deployment:
    """Deploy an environment on clouds.

    Args:
        values: the configuration below `novacron:environment`.
        before: the deployment to update. None: nothing is deployed yet.

    Raises:
        NovaCronError: the environment is refused.
    """
    secrets = EnvironmentSecrets(
        redis_password="a-password-of-the-test",
        api_key="a-key-of-the-test",
        loki_password="another-password-of-the-test" if _has_loki_login(values) else None,
    )
    config = load(values, secrets=secrets)
    assert not isinstance(config, LocalEnvironment)
    monitor = _Monitor(before or Deployment())
    pulumi.runtime.set_mocks(_NoMocks(), "novacron", "test", preview=False, monitor=monitor)

    @pulumi.runtime.test
    def run() -> None:
        build(config, Path())

    with without_unused_work():
        run()
    return monitor.finish()


def _has_loki_login(values: Mapping[str, Any]) -> bool:
    logs = values.get("monitoring", {}).get("logs") or {}
    return bool((logs.get("loki") or {}).get("username"))


class _NoMocks(mocks.Mocks):
    """The monitor answers everything itself."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        raise AssertionError(args.name)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(args.token)


class _Monitor(mocks.MockMonitor):
    """Answers the SDK as simulated clouds would, and records the steps from the deployment before."""

    def __init__(self, before: Deployment) -> None:
        super().__init__(_NoMocks())
        self._before = before
        self._after = Deployment()
        self._providers: dict[str, ProviderConfig] = {}
        self._lock = threading.Lock()

    def finish(self) -> Deployment:
        """Return the deployment, with the deletions of what the program no longer declares."""
        gone = [urn for urn in self._before.resources if urn not in self._after.resources]
        for urn in gone:
            item = self._before.resources[urn]
            self._after.steps.append(Step(StepOp.DELETE, item.type, item.name))
        return self._after

    def RegisterResource(  # noqa: N802
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        urn = self.make_urn(request.parent, request.type, request.name)
        inputs = codec.decode(request.object)
        if request.type.startswith(_PROVIDERS):
            with self._lock:
                self._providers[urn] = read_provider_config(request.type.removeprefix(_PROVIDERS), inputs)
            return resource_pb2.RegisterResourceResponse(urn=urn, id=request.name, object=request.object)
        if not request.custom:
            with self._lock:
                self._after.components.append(urn)
            return resource_pb2.RegisterResourceResponse(urn=urn, object=request.object)
        with self._lock:
            resource, outputs = self._register(urn, request, inputs)
            self._after.resources[urn] = resource
        return resource_pb2.RegisterResourceResponse(urn=urn, id=resource.id, object=codec.encode(outputs))

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> resource_pb2.ReadResourceResponse:  # noqa: N802
        urn = self.make_urn(request.parent, request.type, request.name)
        config = self._find_config(request.type, request.provider)
        outputs = describe_existing(request.type, urn, config, request.id, codec.decode(request.properties))
        return resource_pb2.ReadResourceResponse(urn=urn, properties=codec.encode(outputs))

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeResponse:  # noqa: N802
        response = resource_pb2.ResourceInvokeResponse()
        config = self._find_config(request.tok, request.provider)
        try:
            result = call_function(request.tok, codec.decode(request.args), config)
        except RehearsalError as error:
            response.failures.add(reason=str(error))
            return response
        getattr(response, "return").CopyFrom(codec.encode(result))
        return response

    def _register(
        self, urn: str, request: resource_pb2.RegisterResourceRequest, given: PropertyMap
    ) -> tuple[Resource, PropertyMap]:
        token, config = request.type, self._find_config(request.type, request.provider)
        old = self._before.resources.get(urn)
        seed = old.seed if old else digest(urn)
        inputs = add_name(SimulatedResource(token, urn, config, given, seed), old.inputs if old else {})
        if old is None:
            self._after.steps.append(Step(StepOp.CREATE, token, request.name))
        else:
            diff = compare_inputs(token, old.inputs, inputs, list(request.ignoreChanges))
            if diff.replaces:
                step = Step(StepOp.REPLACE, token, request.name, tuple(diff.replaces), frozenset(diff.detailed))
                self._after.steps.append(step)
                seed = digest(old.seed)
                inputs = add_name(SimulatedResource(token, urn, config, given, seed), {})
            elif diff.changes:
                step = Step(StepOp.UPDATE, token, request.name, tuple(diff.diffs), frozenset(diff.detailed))
                self._after.steps.append(step)
        made = SimulatedResource(token, urn, config, inputs, seed)
        outputs = compute_outputs(made)
        identifier = old.id if old and old.seed == seed else compute_id(made)
        scope = config.scope(token, inputs)
        return Resource(
            token, request.name, identifier, inputs, seed, scope, request.protect, request.retainOnDelete
        ), outputs

    def _find_config(self, token: str, reference: str) -> ProviderConfig:
        package = token.partition(":")[0]
        return self._providers.get(reference.rpartition("::")[0]) or read_provider_config(package, {})
