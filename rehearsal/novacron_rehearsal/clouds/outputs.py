"""Names, ids and computed outputs of simulated resources.

They depend on the URN, the inputs and the configuration, not on time. Every state has an output `__simulated`. It marks
the resource as simulated, and holds the seed of its generated values: an update changes none of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from novacron_rehearsal.clouds import cloud_data, sdk, templates
from novacron_rehearsal.clouds.provider_config import GENERATED, ProviderConfig, digest, generate_value
from novacron_rehearsal.clouds.random_values import existing_random, make_random
from novacron_rehearsal.clouds.schema import Fields, ListOf, MapOf, Object, Scalar, Type, load_schema, read_fields
from novacron_rehearsal.values import UNKNOWN, PropertyMap, Value, make_secret, without_secrets

LABEL = "__simulated"
DEFAULTS = "__defaults"
"""Lists the inputs that the provider generated, as bridged providers do: the name, when the program gives none."""

_CLUSTER_SCOPED = re.compile(
    r"Cluster.*|Namespace|Node|PersistentVolume|StorageClass|PriorityClass|RuntimeClass|IngressClass|GatewayClass|"
    r"DeviceClass|ResourceSlice|CustomResourceDefinition|APIService|CSIDriver|CSINode|VolumeAttachment|"
    r"(Validating|Mutating)(WebhookConfiguration|AdmissionPolicy(Binding)?)|FlowSchema|PriorityLevelConfiguration|"
    r"CertificateSigningRequest|NodePool|EC2NodeClass|NodeClaim"
)
"""Kinds without a namespace. Of custom resources: those of Karpenter, and every kind whose name begins with Cluster."""


@dataclass(frozen=True, slots=True)
class SimulatedResource:
    """A resource, and the seed of its generated values. An empty seed means that the resource does not exist yet."""

    token: str
    urn: str
    config: ProviderConfig
    inputs: PropertyMap
    seed: str = ""

    def lookup(self, name: str) -> Value:
        """Return the value of a template's variable: an input, part of the configuration, or generated.

        Raises:
            KeyError: when there is no such variable.
        """
        value = self.inputs.get(name)
        if value is not None:
            return value
        if name == "unknown":
            return UNKNOWN
        if name in GENERATED:
            return generate_value(name, self.seed)
        data = cloud_data.find_resource(self.token)
        variables = self.config.variables
        if name == "name" and data.name:
            return _at(self.inputs, data.name)
        if name == "namespace" and self.config.package == "azure-native":
            return f"Microsoft.{self._namespace()}"
        if name == "group":
            where = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName=simulated}/providers/{namespace}"
            return templates.fill(where, self.lookup)
        if name == "id" and data.id:
            return templates.fill(data.id, self.lookup)
        if name == "location" and isinstance(zone := self.inputs.get("zone") or self.inputs.get("region"), str):
            return zone
        if name in variables:
            return variables[name]
        if name in data.outputs and name not in templates.find_variables(repr(data.outputs[name])):
            return templates.fill(data.outputs[name], self.lookup)
        if name == "service":
            return self.token.split(":")[1].partition("/")[0]
        if name == "kind":
            kind = self.token.rpartition(":")[2]
            return kind[0].lower() + kind[1:]
        return templates.fill(_pattern(self.config.package, name), self.lookup)

    def _namespace(self) -> str:
        module = sdk.normalize_token(self.token).split(":")[1]
        return cloud_data.load_cloud("azure-native").defaults["namespaces"].get(module, module.capitalize())


def add_name(resource: SimulatedResource, olds: PropertyMap) -> PropertyMap:
    """Return the inputs with a name. Where the program gives none, the resource keeps its name or gets a new one."""
    data = cloud_data.find_resource(resource.token)
    path = data.name.split(".")
    if not data.name or not _takes(resource.token, path[0]) or _given(resource.inputs, path):
        return resource.inputs
    if path[-1] in _defaults(olds, path):
        return _with(resource.inputs, path, _at(olds, data.name))
    base, prefix = resource.urn.rpartition("::")[2], resource.inputs.get(f"{path[-1]}Prefix")
    if data.named == "uuid":
        name = generate_value("uuid", resource.seed)
    elif data.named == "letters":
        name = re.sub(r"[^a-z0-9]", "", base.lower())[:4] + resource.seed[:8]
    else:
        name = (prefix if isinstance(prefix, str) else f"{base}-") + resource.seed[:7]
    return _with(resource.inputs, path, name)


def compute_id(resource: SimulatedResource) -> str:
    """Return the id of a resource that is created now."""
    if resource.config.package == "random":
        return make_random(resource.token, resource.inputs, resource.seed).id
    template = cloud_data.find_resource(resource.token).id
    if resource.config.package == "kubernetes" and not template:
        name = str(_at(resource.inputs, cloud_data.find_resource(resource.token).name))
        return f"{namespace}/{name}" if (namespace := _namespace(resource)) else name
    try:
        filled = templates.fill(template, resource.lookup)
    except KeyError:
        filled = UNKNOWN
    return f"{resource.lookup('kind')}-{resource.seed[:17]}" if filled is UNKNOWN else str(filled)


def compute_outputs(resource: SimulatedResource) -> PropertyMap:
    """Return all outputs: the inputs, and what the cloud computes, which is unknown before the resource exists."""
    given = {key: value for key, value in resource.inputs.items() if not key.startswith("__")}
    data = cloud_data.find_resource(resource.token)
    computed = {
        name: merged
        for name, template in data.outputs.items()
        if (merged := _merged(given.get(name), template, resource)) is not None
    }
    if resource.config.package == "random":
        computed |= make_random(resource.token, resource.inputs, resource.seed).outputs
    state: PropertyMap = {**given, **computed}
    metadata = state.get("metadata")
    if resource.config.package == "kubernetes" and isinstance(metadata, dict) and (namespace := _namespace(resource)):
        state["metadata"] = {"namespace": namespace, **metadata}
    if sdk.is_custom_resource(resource.token):
        state["status"] = {"conditions": [{"type": "Ready", "status": "True", "reason": "Simulated"}]}
    else:
        known = load_schema(resource.token)
        state = {name: value for name, value in state.items() if name in known.outputs}
        state = _completed(state, known.outputs, resource, ())
        for name in known.secret_outputs & state.keys():
            if state[name] is not UNKNOWN:
                state[name] = make_secret(state[name])
    return {**state, LABEL: resource.seed or UNKNOWN}


def describe_existing(token: str, urn: str, config: ProviderConfig, identifier: str, state: PropertyMap) -> PropertyMap:
    """Return the outputs of a resource that the program reads and did not create.

    Args:
        token: its type.
        urn: its URN.
        config: the provider's configuration.
        identifier: its id.
        state: its properties, as far as the program gives them.
    """
    *before, name = re.split(r"[/:|]", identifier)
    data = cloud_data.find_resource(token)
    if config.package == "random":
        outputs = load_schema(token).outputs
        found = {key: value for key, value in existing_random(identifier, state).items() if key in outputs}
        return {**found, LABEL: digest(urn, identifier)}
    if data.name.startswith("metadata."):
        known: PropertyMap = {"metadata": {"name": name, **({"namespace": before[-1]} if before else {})}}
    else:
        known = {data.name: name} if data.name and _takes(token, data.name) else {}
    resource = SimulatedResource(token, urn, config, {**known, **state, "id": identifier}, digest(urn, identifier))
    return {key: value for key, value in compute_outputs(resource).items() if key != "id"}


def find_inputs(token: str, state: PropertyMap) -> PropertyMap:
    """Return the inputs of a resource that the program reads or imports, from its outputs."""
    if sdk.package_of(token) != "random":
        return state
    return {name: value for name, value in state.items() if name in load_schema(token).inputs}


def _namespace(resource: SimulatedResource) -> Value:
    """Return the Kubernetes namespace of an object; `None` when it has none."""
    if _CLUSTER_SCOPED.fullmatch(resource.token.rpartition(":")[2]):
        return None
    try:
        return _at(resource.inputs, "metadata.namespace")
    except KeyError:
        return resource.config.variables["namespace"]


def _merged(value: Value, template: Value, resource: SimulatedResource) -> Value:
    """Return what the program gives, and for everything else what a template computes."""
    if isinstance(value, dict) and isinstance(template, dict):
        beneath = {key: _merged(value.get(key), item, resource) for key, item in template.items()}
        return {**{key: item for key, item in beneath.items() if item is not None}, **value}
    if isinstance(value, list) and isinstance(template, list) and template and isinstance(template[0], dict):
        return [_merged(item, template[0], resource) for item in value]
    if value is not None:
        return value
    if not resource.seed:
        return UNKNOWN
    try:
        return templates.fill(template, resource.lookup)
    except KeyError:
        return None


def _completed(
    state: Mapping[str, Value], known: Fields, resource: SimulatedResource, within: tuple[type, ...]
) -> PropertyMap:
    """Return an object with every property that the SDK requires."""
    whole = dict(state)
    for field in known.values():
        value = whole.get(field.name)
        if value is None and field.required:
            whole[field.name] = _invented(field.name, field.type, resource, within) if resource.seed else UNKNOWN
        elif isinstance(value, dict) and isinstance(field.type, Object) and field.type.cls not in within:
            whole[field.name] = _completed(value, read_fields(field.type.cls), resource, (*within, field.type.cls))
        elif isinstance(value, list) and isinstance(field.type, MapOf):
            whole[field.name] = _by_key(value, field.name, field.type, resource, within)
    return whole


def _by_key(
    given: list[Value], name: str, wanted: MapOf, resource: SimulatedResource, within: tuple[type, ...]
) -> Value:
    """Return a list as an object by its items: azure-native returns some lists so, such as identities by their ids."""
    if UNKNOWN in given:
        return UNKNOWN
    return {str(key): _invented(name, wanted.item, resource, within) for key in given}


def _invented(name: str, wanted: Type, resource: SimulatedResource, within: tuple[type, ...]) -> Value:
    if isinstance(wanted, Object):
        if wanted.cls in within:
            return {}
        return _completed({}, read_fields(wanted.cls), resource, (*within, wanted.cls))
    if isinstance(wanted, ListOf):
        return []
    if isinstance(wanted, Scalar) and wanted.kind != "text":
        return {"true or false": False, "whole number": 0, "number": 0}.get(wanted.kind)
    if isinstance(wanted, Scalar) and wanted.values and not wanted.open:
        return wanted.values[0]
    try:
        if not within and (name == "name" or name in resource.config.variables):
            return resource.lookup(name)
        return templates.fill(_pattern(resource.config.package, name), resource.lookup)
    except KeyError:
        return {} if isinstance(wanted, MapOf) else f"simulated-{digest(resource.seed, name)[:12]}"


def _pattern(package: str, name: str) -> str:
    for pattern, template in cloud_data.load_cloud(package).patterns.items():
        if re.fullmatch(pattern, name):
            return template
    raise KeyError(name)


# -- names ----------------------------------------------------------------------------------------------------------


def _takes(token: str, name: str) -> bool:
    return name == "metadata" if sdk.is_custom_resource(token) else name in load_schema(token).inputs


def _at(properties: Mapping[str, Value], path: str) -> Value:
    """Return the value at a dotted path. Raises `KeyError` when there is none."""
    value: Value = dict(properties)
    for key in path.split("."):
        value = without_secrets(value)
        if value is UNKNOWN:
            return UNKNOWN
        if not isinstance(value, dict):
            raise KeyError(path)
        value = value[key]
    return value


def _given(inputs: PropertyMap, path: list[str]) -> bool:
    try:
        return _at(inputs, ".".join(path)) is not None
    except KeyError:
        return False


def _defaults(properties: PropertyMap, path: list[str]) -> list[str]:
    """Return the names of the generated properties in the object that holds the path's last part."""
    try:
        found = _at(properties, ".".join([*path[:-1], DEFAULTS]))
    except KeyError:
        return []
    return [str(name) for name in found] if isinstance(found, list) else []


def has_generated_name(token: str, inputs: PropertyMap) -> bool:
    """Return whether `add_name` generated the resource's name."""
    path = cloud_data.find_resource(token).name.split(".")
    return path[-1] in _defaults(inputs, path)


def _with(inputs: PropertyMap, path: list[str], name: Value) -> PropertyMap:
    if len(path) == 1:
        return {**inputs, path[0]: name, DEFAULTS: [path[0]]}
    inner = without_secrets(inputs.get(path[0]))
    return {**inputs, path[0]: _with(inner if isinstance(inner, dict) else {}, path[1:], name)}
