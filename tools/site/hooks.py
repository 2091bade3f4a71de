"""Hooks of mkdocs, which has to be installed (`make docs`)."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parents[2]))

from tools.site.pages import generate_pages, link_within_site


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for page, content in generate_pages().items():
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Make links to files of the repository lead to the site's pages of these files."""
    return link_within_site(markdown)


def on_post_page(output: str, **_: object) -> str:
    """Stop the build when a page loads something from another server: the site has to work without a network."""
    if found := re.search(r"""(?:<link[^>]+href|src)=["']?(https?://[^"' >]+)""", output):
        raise PluginError(f"a page loads {found.group(1)} from another server")
    return output
