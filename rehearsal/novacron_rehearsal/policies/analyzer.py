"""Policy packs: processes that check resources over Pulumi's Analyzer protocol."""

from __future__ import annotations

import asyncio
import difflib
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import grpc.aio
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import analyzer_pb2
from pulumi.runtime.proto.analyzer_pb2_grpc import AnalyzerStub

from novacron_rehearsal.errors import InputError, RehearsalError
from novacron_rehearsal.events import PolicyViolated
from novacron_rehearsal.masking import find_secret_texts, mask_secrets
from novacron_rehearsal.policies.hooks import AnalyzedResource
from novacron_rehearsal.policies.reports import PolicyPackSpec, PolicyReports
from novacron_rehearsal.protocol import codec
from novacron_rehearsal.protocol.channels import CHANNEL_OPTIONS
from novacron_rehearsal.protocol.children import Child
from novacron_rehearsal.values import PropertyMap
from novacron_rehearsal.yaml_files import read_json

if TYPE_CHECKING:
    from pulumi.runtime.proto.analyzer_pb2_grpc import AnalyzerAsyncStub  # exists in the stub file alone

_Request = TypeVar("_Request")
_Described = TypeVar("_Described", analyzer_pb2.AnalyzeRequest, analyzer_pb2.AnalyzerResource)
_Response = TypeVar("_Response")
_GRPC_PREFIX = "Exception calling application: "
"""gRPC's text before the message of an exception in the pack."""
_WIRE = codec.Dialect(secrets=False, resources=False)
_WIRE_WITH_SECRETS = codec.Dialect(resources=False)
"""For remediation: its result replaces the inputs, so secrets must keep their mark."""


class PolicyPackError(RehearsalError):
    """A policy pack cannot be loaded, or fails while it checks a resource."""


@dataclass(slots=True)
class _Pack:
    path: Path
    name: str
    policies: dict[str, analyzer_pb2.PolicyInfo]
    config_path: Path | None
    remediates: bool
    stub: AnalyzerAsyncStub
    channel: grpc.aio.Channel
    child: Child

    @property
    def configured_by(self) -> str:
        """The file of its configuration, for messages; empty without one."""
        return f" with configuration {self.config_path}" if self.config_path else ""


class PolicyPacks:
    """The packs of one run. Call `start` before any other method, and `close` at the end."""

    def __init__(
        self,
        specs: Sequence[PolicyPackSpec],
        reports: PolicyReports,
        python: str,
        env: Mapping[str, str],
        project: str,
        stack: str,
        dry_run: bool,
    ) -> None:
        self._specs = specs
        self._reports = reports
        reports.begin(specs)
        self._python = python
        self._env = {
            **os.environ,
            **env,
            "PULUMI_PROJECT": project,
            "PULUMI_STACK": stack,
            "PULUMI_ORGANIZATION": "organization",
            "PULUMI_DRY_RUN": "true" if dry_run else "false",
            "PULUMI_CONFIG": "{}",
        }
        self._packs: list[_Pack] = []
        self._children: list[Child] = []

    async def start(self, engine_address: str) -> None:
        """Start all packs at once. Raises `PolicyPackError` when one cannot be loaded."""
        try:
            self._packs = list(await asyncio.gather(*(self._load(spec, engine_address) for spec in self._specs)))
        except BaseException:
            await self.close()
            raise

    async def _load(self, spec: PolicyPackSpec, engine_address: str) -> _Pack:
        try:
            return await self._start_pack(spec, engine_address)
        except PolicyPackError as error:
            self._reports.failed(spec.path, str(error))
            raise

    async def _start_pack(self, spec: PolicyPackSpec, engine_address: str) -> _Pack:
        if not (spec.path / "PulumiPolicy.yaml").is_file():
            raise PolicyPackError(f"{spec.path} is not a policy pack: it has no PulumiPolicy.yaml")
        child = await Child.start(
            [self._python, "-u", "__main__.py", engine_address],
            cwd=spec.path,
            env=self._env,
            on_line=lambda _line, _is_stderr: None,
        )
        self._children.append(child)
        port = await child.read_port()
        if port is None:
            raise PolicyPackError(f"policy pack {spec.path} could not be loaded. Its output:\n{child.output}")
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL_OPTIONS)
        stub = cast("AnalyzerAsyncStub", AnalyzerStub(channel))
        try:
            info = await stub.GetAnalyzerInfo(Empty())
            policies = {policy.name: policy for policy in info.policies}
            pack = _Pack(
                spec.path,
                info.name,
                policies,
                spec.config_path,
                remediates=False,
                stub=stub,
                channel=channel,
                child=child,
            )
            configuration = self._configuration(spec, pack, info)
            levels = [entry.enforcementLevel for entry in configuration.policyConfig.values()]
            pack.remediates = analyzer_pb2.REMEDIATE in levels
            await stub.Configure(configuration)
        except grpc.aio.AioRpcError as error:
            await channel.close(None)
            raise PolicyPackError(f"policy pack {spec.path}: {error.details()}") from error
        return pack

    def _configuration(
        self, spec: PolicyPackSpec, pack: _Pack, info: analyzer_pb2.AnalyzerInfo
    ) -> analyzer_pb2.ConfigureAnalyzerRequest:
        wanted: dict[str, Any] = {}
        if spec.config_path is not None:
            try:
                content: object = read_json(spec.config_path)
            except InputError as error:
                raise PolicyPackError(f"policy configuration: {error}") from error
            if not isinstance(content, dict):
                raise PolicyPackError(
                    f"policy configuration {spec.config_path} must be an object: settings by the policy's name"
                )
            wanted = cast("dict[str, Any]", content)
            unknown = set(wanted) - set(pack.policies) - {"all"}
            if unknown:
                raise PolicyPackError(
                    f"policy configuration {spec.config_path}: pack {pack.name!r} has no policy {min(unknown)!r}; "
                    f"it has {', '.join(sorted(pack.policies))}"
                )
        request = analyzer_pb2.ConfigureAnalyzerRequest()
        initial = {name: info.initialConfig[name] for name in info.initialConfig}
        for name, policy in pack.policies.items():
            entry = wanted.get(name, wanted.get("all"))
            level, properties = policy.enforcementLevel, None
            if name in initial:
                level, properties = initial[name].enforcementLevel, initial[name].properties
            if isinstance(entry, str):
                level = _level(entry, name)
            elif isinstance(entry, dict):
                _check_keys(f"{spec.config_path}: {name}", entry, policy.configSchema)
                if "enforcementLevel" in entry:
                    level = _level(entry["enforcementLevel"], name)
                properties = codec.encode({k: v for k, v in entry.items() if k != "enforcementLevel"})
            message = analyzer_pb2.PolicyConfig(enforcementLevel=cast("Any", level))
            if properties is not None:
                message.properties.CopyFrom(properties)
            request.policyConfig[name].CopyFrom(message)
        return request

    async def remediate(self, resource: AnalyzedResource) -> PropertyMap:
        """Return the properties after remediation."""
        for pack in self._packs:
            if not pack.remediates:
                continue
            response = await self._ask(pack, pack.stub.Remediate, _request(resource, _WIRE_WITH_SECRETS))
            for change in response.remediations:
                if change.HasField("properties"):
                    resource = replace(resource, properties=codec.decode(change.properties))
        return resource.properties

    async def analyze(self, resource: AnalyzedResource) -> list[PolicyViolated]:
        """Return the violations of one resource."""
        request = _request(resource)
        responses = await asyncio.gather(*(self._ask(pack, pack.stub.Analyze, request) for pack in self._packs))
        return [
            _violation(diagnostic, resource.urn, find_secret_texts(resource.properties))
            for response in responses
            for diagnostic in response.diagnostics
        ]

    async def analyze_stack(self, resources: Sequence[AnalyzedResource]) -> list[PolicyViolated]:
        """Return the violations of the stack as a whole."""
        request = analyzer_pb2.AnalyzeStackRequest(resources=[_stack_resource(resource) for resource in resources])
        hidden = [text for resource in resources for text in find_secret_texts(resource.properties)]
        responses = await asyncio.gather(*(self._ask(pack, pack.stub.AnalyzeStack, request) for pack in self._packs))
        for pack in self._packs:
            self._reports.checked(pack.path)
        return [
            _violation(diagnostic, diagnostic.urn, hidden)
            for response in responses
            for diagnostic in response.diagnostics
        ]

    async def _ask(
        self, pack: _Pack, method: Callable[[_Request], Awaitable[_Response]], request: _Request
    ) -> _Response:
        try:
            return await method(request)
        except grpc.aio.AioRpcError as error:
            output = "\n".join(pack.child.last_lines)
            details = (error.details() or "").removeprefix(_GRPC_PREFIX)
            problem = f"policy pack {pack.name!r}{pack.configured_by} failed: {details}\n{output}".rstrip()
            self._reports.failed(pack.path, problem)
            raise PolicyPackError(problem) from error

    async def close(self) -> None:
        """Stop the packs' processes."""
        for pack in self._packs:
            await pack.channel.close(None)
        await asyncio.gather(*(child.stop(grace_s=1.0) for child in self._children))
        self._packs, self._children = [], []


def _check_keys(where: str, entry: Mapping[str, object], schema: analyzer_pb2.PolicyConfigSchema) -> None:
    """Raise `PolicyPackError` for a key that the policy's own schema does not have."""
    known = ["enforcementLevel", *schema.properties.fields]
    for key in entry:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
            fix = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
            raise PolicyPackError(f"policy configuration {where}.{key} is an unknown key; {fix}")


def _level(text: str, policy: str) -> int:
    names = {
        "advisory": analyzer_pb2.ADVISORY,
        "mandatory": analyzer_pb2.MANDATORY,
        "remediate": analyzer_pb2.REMEDIATE,
        "disabled": analyzer_pb2.DISABLED,
    }
    if text not in names:
        raise PolicyPackError(f"policy {policy!r}: enforcementLevel is {text!r}; it must be one of {', '.join(names)}")
    return names[text]


def _options(resource: AnalyzedResource) -> analyzer_pb2.AnalyzerResourceOptions:
    timeouts = resource.custom_timeouts
    return analyzer_pb2.AnalyzerResourceOptions(
        protect=resource.protect,
        ignoreChanges=resource.ignore_changes,
        deleteBeforeReplace=resource.delete_before_replace,
        additionalSecretOutputs=resource.additional_secret_outputs,
        aliases=resource.aliases,
        customTimeouts=analyzer_pb2.AnalyzerResourceOptions.CustomTimeouts(
            create=timeouts.create_s, update=timeouts.update_s, delete=timeouts.delete_s
        )
        if timeouts
        else None,
    )


def _request(resource: AnalyzedResource, dialect: codec.Dialect = _WIRE) -> analyzer_pb2.AnalyzeRequest:
    return _describe(analyzer_pb2.AnalyzeRequest(), resource, dialect)


def _stack_resource(resource: AnalyzedResource) -> analyzer_pb2.AnalyzerResource:
    message = analyzer_pb2.AnalyzerResource(parent=resource.parent, dependencies=resource.dependencies)
    for key, urns in resource.property_dependencies.items():
        message.propertyDependencies[key].urns.extend(urns)
    return _describe(message, resource, _WIRE)


def _describe(message: _Described, resource: AnalyzedResource, dialect: codec.Dialect) -> _Described:
    """Fill in what the requests for one resource and for the stack have in common."""
    message.type, message.urn, message.name = resource.type, resource.urn, resource.name
    message.properties.CopyFrom(codec.encode(resource.properties, dialect))
    message.options.CopyFrom(_options(resource))
    if provider := resource.provider:
        message.provider.CopyFrom(
            analyzer_pb2.AnalyzerProviderResource(
                type=provider.type,
                properties=codec.encode(provider.properties, _WIRE),
                urn=provider.urn,
                name=provider.name,
            )
        )
    return message


def _violation(diagnostic: analyzer_pb2.AnalyzeDiagnostic, where: str, hidden: Sequence[str]) -> PolicyViolated:
    # The SDK puts the policy's description before the violation. It is the same for every resource: no secret is in it.
    rule = diagnostic.description if diagnostic.message.startswith(diagnostic.description) else ""
    message = rule + mask_secrets(diagnostic.message[len(rule) :], hidden)
    return PolicyViolated(
        pack=diagnostic.policyPackName,
        policy=diagnostic.policyName,
        message=message,
        urn=diagnostic.urn or where,
        # A violation that a remediation did not remove blocks the run too.
        mandatory=diagnostic.enforcementLevel in (analyzer_pb2.MANDATORY, analyzer_pb2.REMEDIATE),
        severity=analyzer_pb2.PolicySeverity.Name(diagnostic.severity).removeprefix("POLICY_SEVERITY_").lower(),
    )
