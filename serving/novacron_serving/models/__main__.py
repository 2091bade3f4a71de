import argparse
import sys
from pathlib import Path

from novacron_serving.models import StoreError, open_folder, publish, verify
from novacron_serving.server import main


def parse_mount(text: str) -> tuple[str, Path]:
    url, equals, path = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not URL=FOLDER")
    return url, Path(path)


def run(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        "novacron_serving.models", description="Publish models to a store, and verify them."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    publishing = commands.add_parser("publish", help="upload a folder to a store, and its manifest last")
    publishing.add_argument("folder", type=Path)
    publishing.add_argument("url")
    publishing.add_argument("--id", required=True, help="the name that clients use for the model")
    publishing.add_argument("--quantization", help="quantization of its weights, such as FP8")
    verifying = commands.add_parser("verify", help="read a published model and compare it with its manifest")
    verifying.add_argument("url")
    for command in (publishing, verifying):
        command.add_argument("--mount", type=parse_mount, action="append", default=[], metavar="URL=FOLDER",
                             help="mount point of the file system of an efs:// or nfs:// URL")  # fmt: skip
    options = parser.parse_args(arguments)
    folder = open_folder(options.url, dict(options.mount))
    if options.command == "publish":
        if not options.id:
            raise StoreError("--id is empty; give the name that clients use for the model")
        manifest = publish(options.folder, folder, model_id=options.id, quantization=options.quantization)
    else:
        manifest = verify(folder)
    sys.stdout.write(
        f"{manifest.model_id}: {len(manifest.files)} files, {manifest.size_bytes} bytes, digest {manifest.digest}\n"
    )


main("models", run)
