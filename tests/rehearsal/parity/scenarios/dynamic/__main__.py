from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult
from testing_package import STEP


class Notes(ResourceProvider):
    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(f"note-{props['title']}", {**props, "length": len(props["text"])})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        changed = [key for key in ("title", "text") if _olds[key] != _news[key]]
        return DiffResult(changes=bool(changed), replaces=[key for key in changed if key == "title"])

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult({**_news, "length": len(_news["text"])})


class Note(Resource):
    length: pulumi.Output[int]

    def __init__(self, name: str, title: str, text: pulumi.Input[str]) -> None:
        super().__init__(Notes(), name, {"title": title, "text": text, "length": None})


note = Note("note", "a" if STEP < 4 else "b", "hello" if STEP < 3 else "hello you")
hidden = Note("hidden", "s", pulumi.Output.secret("hush"))
pulumi.export("length", note.length)
pulumi.export("hidden", hidden.length)
