"""Creates, changes, reads and deletes the objects of a cluster, as the provider protocol asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from novacron_rehearsal.errors import ProviderError
from novacron_rehearsal.events import Severity
from novacron_rehearsal.kubernetes import ownership
from novacron_rehearsal.kubernetes.cluster import Cluster
from novacron_rehearsal.kubernetes.messages import ApiError, UnknownKindError, UnreachableError
from novacron_rehearsal.kubernetes.objects import (
    DELETION_PROPAGATION,
    PATCH_FORCE,
    REPLACE_UNREADY,
    SKIP_AWAIT,
    WAIT_FOR,
    Kind,
    Object,
    annotation,
    describe,
    find_object,
    find_text,
    is_annotated,
    make_id,
    name_of,
    namespace_of,
    split_id,
)
from novacron_rehearsal.kubernetes.properties import (
    imported_inputs,
    make_preview_outputs,
    mark_secrets,
    prune,
    to_object,
    to_outputs,
)
from novacron_rehearsal.kubernetes.readiness.judge import can_wait_for
from novacron_rehearsal.kubernetes.settings import Settings
from novacron_rehearsal.kubernetes.waiting import DEFAULT_TIMEOUT_S, NotReadyError, Waiter, read_timeout
from novacron_rehearsal.providers.client import ProviderResponse
from novacron_rehearsal.values import PropertyMap, contains_unknown

_ATTEMPTS = 5
"""Attempts to create an object whose namespace or kind does not exist yet."""
_PROPAGATION = {"orphan": "Orphan", "background": "Background"}

Say = Callable[[Severity, str, str], None]
"""Shows the user a message: severity, text, URN."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the program, and its inputs."""

    urn: str
    kind: Kind
    inputs: PropertyMap


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations of one provider on one cluster."""

    cluster: Cluster
    settings: Settings
    waiter: Waiter
    say: Say

    @property
    def default_namespace(self) -> str:
        """The namespace of objects that name none."""
        return self.settings.namespace or self.cluster.access.namespace

    def preview_create(self, resource: Resource) -> PropertyMap:
        """Return what a creation would lead to: by a dry run where the cluster answers and every input is known."""
        inputs = resource.inputs
        if any(contains_unknown(value) for value in inputs.values()) or resource.kind.is_patch:
            return make_preview_outputs(inputs)
        content = to_object(inputs)
        try:
            self.cluster.check_version()
            namespace = self._namespace(resource.kind, content)
            existing = self.cluster.get(resource.kind, namespace, name_of(content))
            if existing is not None:
                if not ownership.is_pulumis(existing) and not self.settings.upsert:
                    self.say(Severity.WARNING, _exists(existing), resource.urn)
                return make_preview_outputs(inputs)
            planned = self._apply(resource, content, namespace, ownership.PREFIX, dry_run=True)
        except UnknownKindError:
            return make_preview_outputs(inputs)  # this program may create its definition
        except UnreachableError as error:
            self.say(Severity.WARNING, f"{error}. The preview is made from the inputs alone", resource.urn)
            return make_preview_outputs(inputs)
        except ApiError as error:
            if error.lacks_namespace:
                return make_preview_outputs(inputs)
            if error.code == 403:
                self.say(Severity.WARNING, f"{error}. The preview is made from the inputs alone", resource.urn)
                return make_preview_outputs(inputs)
            raise
        return make_preview_outputs(inputs, planned)

    def create(self, resource: Resource, timeout_s: float) -> ProviderResponse:
        """Create an object and wait until it is ready."""
        self.cluster.check_version()
        content = to_object(resource.inputs)
        manager = ownership.choose_manager({}, resource.inputs)
        for attempt in range(_ATTEMPTS):
            try:
                namespace = self._namespace(resource.kind, content)
                self._check_existing(resource, namespace, name_of(content))
                live = self._apply(resource, content, namespace, manager)
                break
            except (ApiError, UnknownKindError) as error:
                missing = isinstance(error, UnknownKindError) or error.lacks_namespace
                if not missing or attempt == _ATTEMPTS - 1:
                    raise
                self.waiter.report(resource.urn, f"{error}; trying again")
                self.waiter.pause(2**attempt)
        else:
            raise AssertionError
        return self._finish(resource, live, manager, timeout_s)

    def preview_update(self, resource: Resource, outputs: PropertyMap, ignored: Sequence[str]) -> PropertyMap:
        """Return what a change would lead to: by a dry run where the cluster answers and every input is known."""
        planned = {**outputs, **resource.inputs}
        if any(contains_unknown(value) for value in resource.inputs.values()):
            return planned
        content, manager = to_object(resource.inputs), ownership.choose_manager(outputs, resource.inputs)
        try:
            self.cluster.check_version()
            live = self.cluster.get(resource.kind, namespace_of(outputs), name_of(outputs)) or {}
            # The update takes these fields over first, which a dry run cannot.
            force = bool(ownership.take_over_former_fields(live, manager))
            content = ownership.leave_ignored_fields(content, live, ignored, manager)
            applied = self._apply(resource, content, namespace_of(outputs), manager, force=force, dry_run=True)
        except (UnreachableError, UnknownKindError) as error:
            self.say(Severity.WARNING, f"{error}. The preview is made from the inputs alone", resource.urn)
            return planned
        except ApiError as error:
            if error.code != 403:
                raise
            self.say(Severity.WARNING, f"{error}. The preview is made from the inputs alone", resource.urn)
            return planned
        return to_outputs(applied, resource.inputs, manager)

    def update(
        self, resource: Resource, outputs: PropertyMap, timeout_s: float, ignored: Sequence[str]
    ) -> ProviderResponse:
        """Change an object in place and wait until it is ready. One that was deleted meanwhile is created again."""
        self.cluster.check_version()
        content, manager = to_object(resource.inputs), ownership.choose_manager(outputs, resource.inputs)
        namespace, name = namespace_of(outputs), name_of(outputs)
        live = self.cluster.get(resource.kind, namespace, name)
        if live is None:
            live = {}
            text = f"{describe(outputs)} did not exist any more, and is created again"
            self.say(Severity.WARNING, text, resource.urn)
        elif not resource.kind.is_patch and (patch := ownership.take_over_former_fields(live, manager)):
            live = self.cluster.patch_json(resource.kind, namespace, name, patch)
        content = ownership.leave_ignored_fields(content, live, ignored, manager)
        former = find_text(outputs, "__fieldManager")
        applied = self._apply(resource, content, namespace, manager)
        if former and former != manager and live:
            self._relinquish(resource.kind, live, former)
        return self._finish(resource, applied, manager, timeout_s)

    def read(self, resource: Resource, id_: str, outputs: PropertyMap) -> ProviderResponse | None:
        """Read an object; `None` when it does not exist any more.

        Its inputs are those of the resource with the values that the object has now. An object that was never applied
        is imported: its inputs are everything that the server did not set.
        """
        kind, inputs = resource.kind, resource.inputs
        try:
            self.cluster.check_version()
            live = self._find(kind, id_)
        except UnknownKindError:
            return None
        except UnreachableError as error:
            if not self.settings.delete_unreachable:
                raise
            self.say(Severity.WARNING, f"{error}. deleteUnreachable is set: the state forgets it", resource.urn)
            return None
        if live is None:
            return None
        manager = ownership.choose_manager(outputs, inputs)
        if not inputs:
            fresh = mark_secrets(cast("PropertyMap", imported_inputs(live)), {})
            return ProviderResponse(id_, to_outputs(live, fresh, manager), fresh)
        fresh = mark_secrets(cast("PropertyMap", prune(live, to_object(inputs))), inputs)
        awaited = not is_annotated(inputs, SKIP_AWAIT) and can_wait_for(annotation(inputs, WAIT_FOR))
        reasons = self.waiter.explain_unready(kind, live) if awaited else []
        return ProviderResponse(id_, to_outputs(live, fresh, manager), fresh, init_errors=reasons)

    def delete(self, resource: Resource, id_: str, outputs: PropertyMap, timeout_s: float) -> None:
        """Delete an object and wait until it is gone. A Patch resource gives its fields back instead."""
        kind = resource.kind
        try:
            self.cluster.check_version()
            live = self._find(kind, id_)
            if live is None:
                return
            if kind.is_patch:
                self._relinquish(kind, live, ownership.choose_manager(outputs, resource.inputs))
                return
            wanted = annotation(resource.inputs, DELETION_PROPAGATION).lower()
            self.cluster.delete(kind, namespace_of(live), name_of(live), _PROPAGATION.get(wanted, "Foreground"))
        except UnknownKindError:
            return
        except UnreachableError as error:
            if not self.settings.delete_unreachable:
                raise
            self.say(Severity.WARNING, f"{error}. deleteUnreachable is set: the state forgets it", resource.urn)
            return
        except ApiError as error:
            if error.code == 404:
                return
            raise
        if not is_annotated(resource.inputs, SKIP_AWAIT):
            self.waiter.wait_until_gone(resource.urn, kind, live, read_timeout(timeout_s, resource.inputs))

    def must_replace(self, resource: Resource, outputs: PropertyMap) -> bool:
        """Return whether a Job with the annotation `pulumi.com/replaceUnready` has not completed."""
        if resource.kind.name != "Job" or not is_annotated(resource.inputs, REPLACE_UNREADY):
            return False
        try:
            live = self.cluster.get(resource.kind, namespace_of(outputs), name_of(outputs))
        except ProviderError:
            return False
        return live is not None and bool(self.waiter.explain_unready(resource.kind, live))

    def _apply(
        self,
        resource: Resource,
        content: Object,
        namespace: str,
        manager: str,
        *,
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        metadata = {key: value for key, value in find_object(content, "metadata").items() if key != "namespace"}
        if namespace:
            metadata["namespace"] = namespace
        force = force or self.settings.patch_force or is_annotated(content, PATCH_FORCE)
        applied, warnings = self.cluster.apply(
            resource.kind,
            {**content, "metadata": metadata},
            namespace=namespace,
            manager=manager,
            force=force,
            dry_run=dry_run,
        )
        for warning in warnings:
            self.say(Severity.WARNING, f"the API server warns: {warning}", resource.urn)
        return applied

    def _finish(self, resource: Resource, live: Object, manager: str, timeout_s: float) -> ProviderResponse:
        """Wait until an applied object is ready, and return it."""
        reasons: list[str] = []
        wait_for = annotation(resource.inputs, WAIT_FOR)
        if not can_wait_for(wait_for):
            text = f"the annotation {WAIT_FOR} is {wait_for!r}; only condition=TYPE is supported, it is not waited for"
            self.say(Severity.WARNING, text, resource.urn)
        elif not is_annotated(resource.inputs, SKIP_AWAIT):
            try:
                timeout = read_timeout(timeout_s, resource.inputs)
                live = self.waiter.wait_until_ready(resource.urn, resource.kind, live, timeout)
            except NotReadyError as error:
                live, reasons = error.live, error.reasons
            except ProviderError as error:  # it exists: the state must have it
                reasons = [str(error)]
        id_ = make_id(namespace_of(live), name_of(live))
        return ProviderResponse(id_, to_outputs(live, resource.inputs, manager), init_errors=reasons)

    def _check_existing(self, resource: Resource, namespace: str, name: str) -> None:
        kind = resource.kind
        existing = self.cluster.get(kind, namespace, name)
        if kind.is_patch and existing is None:
            raise ProviderError(
                f"{kind.name} {make_id(namespace, name)} does not exist; a Patch resource changes an object that "
                "something else creates"
            )
        if existing is None or kind.is_patch or self.settings.upsert:
            return
        if find_text(existing, "metadata", "deletionTimestamp"):
            self.waiter.wait_until_gone(resource.urn, kind, existing, DEFAULT_TIMEOUT_S)
            return
        raise ProviderError(_exists(existing))

    def _relinquish(self, kind: Kind, live: Object, manager: str) -> None:
        """Give up all fields that a manager applied."""
        metadata: Object = {"name": name_of(live)}
        if namespace := namespace_of(live):
            metadata["namespace"] = namespace
        content: Object = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}
        self.cluster.apply(kind, content, namespace=namespace, manager=manager, force=False, dry_run=False)

    def _find(self, kind: Kind, id_: str) -> Object | None:
        namespace, name = split_id(id_)
        return self.cluster.get(kind, namespace or self._namespace(kind, {}), name)

    def _namespace(self, kind: Kind, content: Object) -> str:
        """Return the namespace of an object; empty for kinds outside namespaces."""
        return (namespace_of(content) or self.default_namespace) if self.cluster.is_namespaced(kind) else ""


def _exists(existing: Object) -> str:
    return (
        f"{describe(existing)} exists already, and this stack does not manage it. Import it with the option `import_` "
        f"and the id {make_id(namespace_of(existing), name_of(existing))!r}, give the resource an alias if it was "
        "renamed, or use a Patch resource to manage some of its fields. `upsertExistingObjects` of the provider lets a "
        "creation change it"
    )
