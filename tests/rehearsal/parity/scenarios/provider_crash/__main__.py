import os
from typing import Any

from pulumi import ResourceOptions
from pulumi.dynamic import CreateResult, Resource, ResourceProvider
from testing_package import STEP


class Fragile(ResourceProvider):
    def create(self, props: dict[str, Any]) -> CreateResult:
        if props["breaks"]:
            os._exit(3)
        return CreateResult(f"made-{props['title']}", props)


class Piece(Resource):
    def __init__(self, title: str, *, breaks: bool, after: Resource | None = None) -> None:
        options = ResourceOptions(depends_on=after)
        super().__init__(Fragile(), title, {"title": title, "breaks": breaks}, options)


first = Piece("first", breaks=False)
if STEP > 1:
    Piece("second", breaks=STEP == 2, after=first)
