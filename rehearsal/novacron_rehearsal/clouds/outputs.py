"""What a simulated cloud answers: names, ids and computed outputs. They depend on URN, inputs and place; never on time.

Every state carries `__simulated`: it labels the resource, and is what its made-up values are derived from, so that
an update changes none of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from novacron_rehearsal.clouds import knowledge, sdk, templates
from novacron_rehearsal.clouds.places import MADE_UP, Place, digest, made_up
from novacron_rehearsal.clouds.random_values import existing_random, make_random
from novacron_rehearsal.clouds.schema import Fields, ListOf, MapOf, Object, Scalar, Type, fields, schema
from novacron_rehearsal.values import UNKNOWN, PropertyMap, Value, make_secret, without_secrets

LABEL = "__simulated"
DEFAULTS = "__defaults"
"""Which inputs the provider made up, as the bridged providers record it: the name, when the program gives none."""

_CLUSTER_SCOPED = re.compile(
    r"Cluster.*|Namespace|Node|PersistentVolume|StorageClass|PriorityClass|RuntimeClass|IngressClass|GatewayClass|"
    r"DeviceClass|ResourceSlice|CustomResourceDefinition|APIService|CSIDriver|CSINode|VolumeAttachment|"
    r"(Validating|Mutating)(WebhookConfiguration|AdmissionPolicy(Binding)?)|FlowSchema|PriorityLevelConfiguration|"
    r"CertificateSigningRequest|NodePool|EC2NodeClass|NodeClaim"
)
"""Kinds that have no namespace; of custom resources, those of Karpenter and whatever is called Cluster…."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A resource and what its made-up values are derived from; an empty `seed` stands for: not made yet."""

    token: str
    urn: str
    place: Place
    inputs: PropertyMap
    seed: str = ""

    def lookup(self, name: str) -> Value:
        """The value of a template's variable: an input, the place's, or made up; `KeyError` when there is none."""
        value = self.inputs.get(name)
        if value is not None:
            return value
        if name == "unknown":
            return UNKNOWN
        if name in MADE_UP:
            return made_up(name, self.seed)
        facts = knowledge.resource(self.token)
        variables = self.place.variables
        if name == "name" and facts.name:
            return _at(self.inputs, facts.name)
        if name == "namespace" and self.place.package == "azure-native":
            return f"Microsoft.{self._namespace()}"
        if name == "group":
            where = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName=simulated}/providers/{namespace}"
            return templates.fill(where, self.lookup)
        if name == "id" and facts.id:
            return templates.fill(facts.id, self.lookup)
        if name == "location" and isinstance(zone := self.inputs.get("zone") or self.inputs.get("region"), str):
            return zone
        if name in variables:
            return variables[name]
        if name in facts.outputs and name not in templates.names(repr(facts.outputs[name])):
            return templates.fill(facts.outputs[name], self.lookup)
        if name == "service":
            return self.token.split(":")[1].partition("/")[0]
        if name == "kind":
            kind = self.token.rpartition(":")[2]
            return kind[0].lower() + kind[1:]
        return templates.fill(_pattern(self.place.package, name), self.lookup)

    def _namespace(self) -> str:
        module = sdk.plain_token(self.token).split(":")[1]
        return knowledge.cloud("azure-native").defaults["namespaces"].get(module, module.capitalize())


def named(subject: Subject, olds: PropertyMap) -> PropertyMap:
    """The inputs with a name made up where the program gives none: the one that the resource has, or a new one."""
    facts = knowledge.resource(subject.token)
    path = facts.name.split(".")
    if not facts.name or not _takes(subject.token, path[0]) or _given(subject.inputs, path):
        return subject.inputs
    if path[-1] in _defaults(olds, path):
        return _with(subject.inputs, path, _at(olds, facts.name))
    base, prefix = subject.urn.rpartition("::")[2], subject.inputs.get(f"{path[-1]}Prefix")
    if facts.named == "uuid":
        name = made_up("uuid", subject.seed)
    elif facts.named == "letters":
        name = re.sub(r"[^a-z0-9]", "", base.lower())[:4] + subject.seed[:8]
    else:
        name = (prefix if isinstance(prefix, str) else f"{base}-") + subject.seed[:7]
    return _with(subject.inputs, path, name)


def identity(subject: Subject) -> str:
    """The id of a resource that is made now."""
    if subject.place.package == "random":
        return make_random(subject.token, subject.inputs, subject.seed).id
    template = knowledge.resource(subject.token).id
    if subject.place.package == "kubernetes" and not template:
        name = str(_at(subject.inputs, knowledge.resource(subject.token).name))
        return f"{namespace}/{name}" if (namespace := _namespace(subject)) else name
    try:
        filled = templates.fill(template, subject.lookup)
    except KeyError:
        filled = UNKNOWN
    return f"{subject.lookup('kind')}-{subject.seed[:17]}" if filled is UNKNOWN else str(filled)


def outputs(subject: Subject) -> PropertyMap:
    """All outputs: the inputs, and what the cloud computes; that is unknown while the resource is not made yet."""
    given = {key: value for key, value in subject.inputs.items() if not key.startswith("__")}
    facts = knowledge.resource(subject.token)
    computed = {
        name: merged
        for name, template in facts.outputs.items()
        if (merged := _merged(given.get(name), template, subject)) is not None
    }
    if subject.place.package == "random":
        computed |= make_random(subject.token, subject.inputs, subject.seed).outputs
    state: PropertyMap = {**given, **computed}
    metadata = state.get("metadata")
    if subject.place.package == "kubernetes" and isinstance(metadata, dict) and (namespace := _namespace(subject)):
        state["metadata"] = {"namespace": namespace, **metadata}
    if sdk.is_custom(subject.token):
        state["status"] = {"conditions": [{"type": "Ready", "status": "True", "reason": "Simulated"}]}
    else:
        known = schema(subject.token)
        state = {name: value for name, value in state.items() if name in known.outputs}
        state = _completed(state, known.outputs, subject, ())
        for name in known.secret_outputs & state.keys():
            if state[name] is not UNKNOWN:
                state[name] = make_secret(state[name])
    return {**state, LABEL: subject.seed or UNKNOWN}


def existing(token: str, urn: str, where: Place, identifier: str, state: PropertyMap) -> PropertyMap:
    """The outputs of something that a program reads but did not make, from its id and what the program says of it."""
    *before, name = re.split(r"[/:|]", identifier)
    facts = knowledge.resource(token)
    if where.package == "random":
        found = existing_random(identifier, state)
        outputs_known = schema(token).outputs
        return {key: value for key, value in found.items() if key in outputs_known}
    if facts.name.startswith("metadata."):
        known: PropertyMap = {"metadata": {"name": name, **({"namespace": before[-1]} if before else {})}}
    else:
        known = {facts.name: name} if facts.name and _takes(token, facts.name) else {}
    subject = Subject(token, urn, where, {**known, **state, "id": identifier}, digest(urn, identifier))
    return {key: value for key, value in outputs(subject).items() if key != "id"}


def _namespace(subject: Subject) -> Value:
    """The Kubernetes namespace that an object is in; `None` for one that is in none."""
    if _CLUSTER_SCOPED.fullmatch(subject.token.rpartition(":")[2]):
        return None
    try:
        return _at(subject.inputs, "metadata.namespace")
    except KeyError:
        return subject.place.variables["namespace"]


def _merged(value: Value, template: Value, subject: Subject) -> Value:
    """What a program gave, and beneath it what a template computes."""
    if isinstance(value, dict) and isinstance(template, dict):
        beneath = {key: _merged(value.get(key), item, subject) for key, item in template.items()}
        return {**{key: item for key, item in beneath.items() if item is not None}, **value}
    if isinstance(value, list) and isinstance(template, list) and template and isinstance(template[0], dict):
        return [_merged(item, template[0], subject) for item in value]
    if value is not None:
        return value
    if not subject.seed:
        return UNKNOWN
    try:
        return templates.fill(template, subject.lookup)
    except KeyError:
        return None


def _completed(state: Mapping[str, Value], known: Fields, subject: Subject, within: tuple[type, ...]) -> PropertyMap:
    """An object with everything in it that, as the SDK says, is always there."""
    whole = dict(state)
    for field in known.values():
        value = whole.get(field.name)
        if value is None and field.required:
            whole[field.name] = _invented(field.name, field.type, subject, within) if subject.seed else UNKNOWN
        elif isinstance(value, dict) and isinstance(field.type, Object) and field.type.cls not in within:
            whole[field.name] = _completed(value, fields(field.type.cls), subject, (*within, field.type.cls))
        elif isinstance(value, list) and isinstance(field.type, MapOf):
            whole[field.name] = _by_key(value, field.name, field.type, subject, within)
    return whole


def _by_key(given: list[Value], name: str, wanted: MapOf, subject: Subject, within: tuple[type, ...]) -> Value:
    """What azure-native takes as a list and gives back by its items, such as identities by their ids."""
    if UNKNOWN in given:
        return UNKNOWN
    return {str(key): _invented(name, wanted.item, subject, within) for key in given}


def _invented(name: str, wanted: Type, subject: Subject, within: tuple[type, ...]) -> Value:
    if isinstance(wanted, Object):
        if wanted.cls in within:
            return {}
        return _completed({}, fields(wanted.cls), subject, (*within, wanted.cls))
    if isinstance(wanted, ListOf):
        return []
    if isinstance(wanted, Scalar) and wanted.kind != "text":
        return {"true or false": False, "whole number": 0, "number": 0}.get(wanted.kind)
    if isinstance(wanted, Scalar) and wanted.values and not wanted.open:
        return wanted.values[0]
    try:
        if not within and (name == "name" or name in subject.place.variables):
            return subject.lookup(name)
        return templates.fill(_pattern(subject.place.package, name), subject.lookup)
    except KeyError:
        return {} if isinstance(wanted, MapOf) else f"simulated-{digest(subject.seed, name)[:12]}"


def _pattern(package: str, name: str) -> str:
    for pattern, template in knowledge.cloud(package).patterns.items():
        if re.fullmatch(pattern, name):
            return template
    raise KeyError(name)


# -- names ----------------------------------------------------------------------------------------------------------


def _takes(token: str, name: str) -> bool:
    return name == "metadata" if sdk.is_custom(token) else name in schema(token).inputs


def _at(properties: Mapping[str, Value], path: str) -> Value:
    """What stands at a dotted path; `KeyError` when nothing does."""
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
    """The names of what the provider made up in the object at the path's end."""
    try:
        found = _at(properties, ".".join([*path[:-1], DEFAULTS]))
    except KeyError:
        return []
    return [str(name) for name in found] if isinstance(found, list) else []


def is_made_up(token: str, inputs: PropertyMap) -> bool:
    """Whether the resource's name is one that `named` made up."""
    path = knowledge.resource(token).name.split(".")
    return path[-1] in _defaults(inputs, path)


def _with(inputs: PropertyMap, path: list[str], name: Value) -> PropertyMap:
    if len(path) == 1:
        return {**inputs, path[0]: name, DEFAULTS: [path[0]]}
    inner = without_secrets(inputs.get(path[0]))
    return {**inputs, path[0]: _with(inner if isinstance(inner, dict) else {}, path[1:], name)}
