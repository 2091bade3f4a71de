"""Hooks of mkdocs, which has to be installed (`make docs`)."""

from __future__ import annotations

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parents[2]))

from tools.site.pages import generate_pages


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for page, content in generate_pages().items():
        files.append(File.generated(config, page, content=content))
    return files
