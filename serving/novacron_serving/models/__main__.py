import argparse
import sys
from pathlib import Path

from novacron_serving.models import StoreError, open_folder, publish, verify
from novacron_serving.server import main


def mount(text: str) -> tuple[str, Path]:
    url, equals, path = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not URL=FOLDER")
    return url, Path(path)


def run(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        "novacron_serving.models", description="Publish models to a store, and verify them."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    publishing = commands.add_parser("publish", help="put a folder's files into a store, and last their manifest")
    publishing.add_argument("folder", type=Path)
    publishing.add_argument("url")
    publishing.add_argument("--id", required=True, help="under which name the model is served")
    publishing.add_argument("--quantization", help="of its weights, such as FP8")
    verifying = commands.add_parser("verify", help="read all of a published model")
    verifying.add_argument("url")
    for command in (publishing, verifying):
        command.add_argument("--mount", type=mount, action="append", default=[], metavar="URL=FOLDER",
                             help="where the file system of an efs:// or nfs:// URL is mounted")  # fmt: skip
    asked = parser.parse_args(arguments)
    folder = open_folder(asked.url, dict(asked.mount))
    if asked.command == "publish":
        if not asked.id:
            raise StoreError("--id is empty: give the name under which the model is served")
        manifest = publish(asked.folder, folder, model_id=asked.id, quantization=asked.quantization)
    else:
        manifest = verify(folder)
    sys.stdout.write(
        f"{manifest.model_id}: {len(manifest.files)} files, {manifest.size_bytes} bytes, digest {manifest.digest}\n"
    )


main("models", run)
