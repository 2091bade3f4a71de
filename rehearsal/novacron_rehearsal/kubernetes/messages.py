"""Turns responses of the API server that are errors into messages: what failed, why, and what to do."""

from __future__ import annotations

import re

from novacron_rehearsal.errors import ProviderError
from novacron_rehearsal.kubernetes.objects import PATCH_FORCE, Object, find, find_objects, find_text

_DENIED = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_TERMINATING = re.compile(r"unable to create new content in namespace (\S+) because it is being terminated")
_MANAGER = re.compile(r'conflict with "(?P<manager>[^"]+)"(?P<more> with subresource "[^"]+")?')


class UnreachableError(ProviderError):
    """The API server cannot be reached."""


class UnknownKindError(ProviderError):
    """The API server has no such kind."""


class ApiError(ProviderError):
    """The API server refused a request."""

    def __init__(self, code: int, status: Object, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.reason = find_text(status, "reason")
        self.status = status

    @property
    def lacks_namespace(self) -> bool:
        """Whether the object's namespace does not exist (yet)."""
        return self.code == 404 and find(self.status, "details", "kind") == "namespaces"

    @property
    def is_immutable(self) -> bool:
        """Whether the request would change a field that cannot be changed."""
        return self.code == 422 and ("immutable" in str(self) or "Forbidden" in str(self))


def make_error(code: int, status: Object, action: str) -> ApiError:
    """Return the error for a response.

    Args:
        code: HTTP status.
        status: the response, a `Status` object where the API server sends one.
        action: what was tried: `apply Deployment novacron/coordinator`.
    """
    text = _explain(code, status)
    return ApiError(code, status, f"cannot {action}: {text}")


def _explain(code: int, status: Object) -> str:
    message = find_text(status, "message") or f"the API server returned HTTP status {code}"
    if code == 401:
        return f"the API server rejects the credentials of the kubeconfig (401 {message}); sign in again"
    if code == 403:
        terminating = _TERMINATING.search(message)
        return f"{message}. {_wait_for(terminating[1])}" if terminating else _explain_denial(message)
    conflicts = [
        cause for cause in find_objects(status, "details", "causes") if cause.get("reason") == "FieldManagerConflict"
    ]
    if conflicts:
        return _explain_conflicts(conflicts)
    causes = find_objects(status, "details", "causes")
    if code == 422 and causes:
        lines = [f"{find_text(cause, 'field')}: {find_text(cause, 'message')}" for cause in causes]
        return "\n".join(["the API server rejects these fields:", *(f"  {line}" for line in dict.fromkeys(lines))])
    return message


def _wait_for(namespace: str) -> str:
    return (
        "Run the command again once the namespace is gone; "
        f"`kubectl get namespace {namespace} -o yaml` shows what holds it up under `status.conditions`"
    )


def _explain_denial(message: str) -> str:
    found = _DENIED.search(message)
    if found is None:
        return message  # an admission controller refused it, and says why
    resource = ".".join(filter(None, [found["resource"], found["group"]]))
    namespace = f" in namespace {found['namespace']!r}" if found["namespace"] else ""
    option = f" --namespace {found['namespace']}" if found["namespace"] else ""
    return (
        f"user {found['user']!r} may not {found['verb']} {resource}{namespace} (403). Grant the user this right; "
        f"`kubectl auth can-i {found['verb']} {resource}{option}` checks it"
    )


def _explain_conflicts(conflicts: list[Object]) -> str:
    lines: list[str] = []
    for cause in conflicts:
        manager = _MANAGER.search(find_text(cause, "message"))
        owner = manager["manager"] + (manager["more"] or "") if manager else find_text(cause, "message")
        lines.append(f"  {find_text(cause, 'field')} is owned by {owner}")
    return "\n".join(
        [
            "other field managers own fields that the program sets:",
            *lines,
            "Remove these fields from the program, or take them over with the annotation "
            f'`{PATCH_FORCE}: "true"` on the resource',
        ]
    )
