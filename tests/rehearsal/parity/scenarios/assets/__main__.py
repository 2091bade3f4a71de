from pathlib import Path

import pulumi
from testing_package import STEP, Thing

folder = Path(__file__).with_name("content")
folder.mkdir(exist_ok=True)
(folder / "a.txt").write_text("one" if STEP < 3 else "two")
(folder / "b.txt").write_text("b")
Thing("text", source=pulumi.StringAsset("hello"))
Thing("file", source=pulumi.FileAsset("content/a.txt"))
Thing("folder", source=pulumi.FileArchive("content"))
Thing(
    "mixed",
    source=pulumi.AssetArchive({"text": pulumi.StringAsset("x"), "in/folder": pulumi.FileArchive("content")}),
)
