"""Which values of a resource are secret. Every state that a run records passes through `mark_secrets`."""

from __future__ import annotations

from novacron_rehearsal.state.resource import ResourceState
from novacron_rehearsal.values import PropertyMap, Secret, Unknown, Value, contains_secret, make_secret, without_secrets


def mark_secrets(state: ResourceState, before: ResourceState | None = None) -> None:
    """Mark as secret, in place, what a provider returned in plain although it is secret.

    An output is secret when it is one of `additional_secret_outputs` or has the name of a secret input. With `before`,
    inputs and outputs that are secret there stay secret too. The inputs of a resource that the program only reads
    come from the provider: an input is secret when the output of its name is.

    Args:
        state: a state of this run, which no snapshot holds yet.
        before: what was known of the resource before the provider returned this state.
    """
    outputs = dict(state.outputs)
    if before is not None:
        state.inputs = marked_like(state.inputs, before.inputs)
        outputs = marked_like(outputs, before.outputs)
    for name, value in outputs.items():
        leaked = isinstance(state.inputs.get(name), Secret) and not isinstance(value, Unknown)
        if leaked or name in state.additional_secret_outputs:
            outputs[name] = make_secret(value)
    if before is not None and state.external:
        for name, value in state.inputs.items():
            if isinstance(outputs.get(name), Secret):
                state.inputs[name] = make_secret(value)
    if outputs != state.outputs:
        state.outputs = outputs


def marked_like(values: PropertyMap, reference: PropertyMap) -> PropertyMap:
    """Return values with a mark wherever the reference has one.

    Objects are compared property by property. Anything else that holds a secret in the reference is secret as a whole:
    the items of a list may have moved.
    """
    return {name: _marked(value, reference.get(name)) for name, value in values.items()}


def _marked(value: Value, reference: Value) -> Value:
    if isinstance(value, dict) and isinstance(reference, dict):
        return marked_like(value, reference)
    if contains_secret(reference) and not isinstance(value, Unknown):
        return make_secret(without_secrets(value))
    return value
