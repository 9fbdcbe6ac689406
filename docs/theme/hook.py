"""How mkdocs reads this repository: its pages link to files outside docs/, as they must where code is looked at.

Such a link leads on the site to a copy of the file, under `repository/`; one to CHANGELOG.md to the page that is made
of it. See https://www.mkdocs.org/user-guide/configuration/#hooks.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

MADE = {"CHANGELOG.md": "changelog.md"}
"""What lies at the top of the repository, and the page of the site that is made of it."""
TWINS = {**MADE, "README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "SECURITY.md": "security.md"}
"""What lies there for those who look at the repository, and the page of the site that says the same."""

_LINK = re.compile(r"(?<=\]\()[^)#\s]+")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside docs/ that pages link to."""
    top = Path(config.config_file_path).parent
    for name, uri in MADE.items():
        files.append(File.generated(config, uri, abs_src_path=str(top / name)))
    pages = files.documentation_pages()
    outside = {_outside(page, link) for page in pages for link in _LINK.findall(page.content_string)}
    for name in sorted(outside - {"", *TWINS}):
        if (top / name).is_file():  # mkdocs itself names a link that leads nowhere
            files.append(File.generated(config, f"repository/{name}", abs_src_path=str(top / name)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have links that leave docs/ lead to what the site has for them."""

    def lead(link: re.Match[str]) -> str:
        name = _outside(page.file, link[0])
        if not name:
            return link[0]
        return posixpath.relpath(TWINS.get(name, f"repository/{name}"), posixpath.dirname(page.file.src_uri) or ".")

    return _LINK.sub(lead, markdown)


def _outside(page: File, link: str) -> str:
    """Give the place in the repository that a link leads to; nothing where that is in docs/, or on another host."""
    if page.src_uri in MADE.values() or re.match(r"[a-z]+:|/", link):
        return ""
    name = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.src_uri), link))
    return "" if name.startswith("docs/") else name
