"""The plugin: offers the importable components to Pulumi programs in other languages."""

import inspect
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

import pulumi
from pulumi.errors import InputPropertiesError
from pulumi.provider import ConstructResult, main
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.experimental.util import camel_case
from pulumi.provider.server import ComponentInitError

from novacron_infra.errors import ConfigurationError, Problem
from novacron_infra.multi_language import components
from novacron_infra.multi_language.known_inputs import checked

NAME = "novacron"


class Provider(ComponentProvider):
    """Pulumi's host of components, which says of bad arguments what is wrong with them instead of showing a stack."""

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: pulumi.Inputs,
        options: pulumi.ResourceOptions | None = None,
    ) -> ConstructResult:
        """Makes a component.

        Raises:
            InputPropertiesError: with every problem of the arguments.
        """
        self.validate_resource_type(NAME, resource_type)
        component = {item.__name__: item for item in components()}[resource_type.rpartition(":")[2]]
        # Pulumi's own mapping stumbles over an output where a number belongs, and leaves whole numbers as the wire has
        # them: with a point.
        kind = inspect.get_annotations(component.__init__)["args"]
        values, problems = checked(kind, inputs, name, camel_case)
        if problems:
            raise _refused(problems)
        try:
            return super().construct(name, resource_type, cast("dict[str, Any]", values), options)
        except ComponentInitError as error:
            if isinstance(error.inner, ConfigurationError):
                raise _refused(error.inner.problems) from error
            raise


def _refused(problems: Sequence[Problem]) -> InputPropertiesError:
    errors = [
        {"property_path": problem.path, "reason": str(problem).removeprefix(problem.path).removeprefix(" = ").strip()}
        for problem in problems
    ]
    return InputPropertiesError("the arguments are refused; nothing was created", cast("Any", errors))


def serve() -> None:
    """Serves until it is ended; the first argument of the program is the engine's address."""
    main(Provider(components(), NAME, version=_version()), sys.argv[1:])


def _version() -> str:
    try:
        return version("novacron-infra")
    except PackageNotFoundError:  # run from its folder
        return "0.0.0"
