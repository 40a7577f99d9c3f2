"""A notebook, with the outputs stored in it, as the body of a page."""

from __future__ import annotations

import hashlib
import html
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from nbconvert.filters import strip_ansi

from chapter10.authoring.generated import LINKS
from chapter10.errors import InputError
from chapter10.figures import size_of
from chapter10.language import say_of
from chapter10.site.markup import Headings, Links, code, markdown

if TYPE_CHECKING:
    from nbformat import NotebookNode

# An output that is one picture, as `figures.img` writes it.
PICTURE = re.compile(r'<img alt="(?P<alt>[^"]*)"[^<>]* src="data:image/png;base64,(?P<content>[A-Za-z0-9+/=]+)">')


@dataclass
class Body:
    """The inside of a page: its HTML, its headings, and the files of its pictures."""

    html: str = ""
    headings: Headings = field(default_factory=Headings)
    pictures: dict[str, bytes] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The first heading, as HTML. Raises InputError where there is none."""
        for level, _, text in self.headings.found:
            if level == 1:
                return text
        raise InputError("A page needs a heading of the first level: begin its text with '# ...'.")


def notebook_body(notebook: NotebookNode, name: str, links: Links, note: str) -> Body:
    """The body of the page of the notebook `name` ("04_vae", "zh/04_vae"); `note` (HTML) stands for the links below its title.

    Raises InputError for a formula, a link or an output that can't be shown.
    """
    body, parts = Body(), []
    where = f"notebooks/{name}.ipynb"
    folder = PurePosixPath(where).parent.as_posix()

    def text(source: str) -> str:
        return markdown(source, body.headings, lambda url: links.resolve(url, folder), where)

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            above, found, below = _around_links(cell.source) if not parts else (cell.source, False, "")
            parts.append(text(above) + (note + text(below) if found else ""))
        elif cell.cell_type == "code" and "colab" not in cell.metadata.get("tags", []):  # that cell serves Colab alone
            hidden = cell.metadata.get("jupyter", {}).get("source_hidden", False)
            outputs = "".join(_output(output, body, text, where, links.up) for output in cell.outputs)
            parts.append(f'<div class="cell">\n{_source(cell.source, hidden)}{outputs}</div>\n')
    body.html = "".join(parts)
    return body


def _around_links(source: str) -> tuple[str, bool, str]:
    match = LINKS.search(source)
    return (source[: match.start()], True, source[match.end() :]) if match else (source, False, "")


def _source(source: str, hidden: bool) -> str:
    if not source.strip():
        return ""
    shown = code(source, "ipython3")
    if not hidden:
        return shown
    told = say_of(source.strip().count("\n") + 1, "Code, {count} line", "Code, {count} lines")
    return f"<details><summary>{told}</summary>\n{shown}</details>\n"


def _output(output: NotebookNode, body: Body, text, where: str, up: str) -> str:
    """One output, in the richest of its forms that a page can show."""
    if output.output_type == "stream":
        return _said(output.text)
    if output.output_type == "error":
        return _said("\n".join(output.traceback))
    data = output.data
    if "text/html" in data:
        if match := PICTURE.fullmatch(data["text/html"].strip()):
            picture = _picture(b64decode(match["content"]), html.unescape(match["alt"]), body, where, up)
            return f'<div class="output">{picture}</div>\n'
        return f'<div class="output wide">{data["text/html"]}</div>\n'
    if "image/png" in data:
        alt = output.metadata.get("image/png", {}).get("alt", "")
        return f'<div class="output">{_picture(b64decode(data["image/png"]), alt, body, where, up)}</div>\n'
    if "text/markdown" in data:
        return f'<div class="output">{text(data["text/markdown"])}</div>\n'
    if "text/plain" in data:
        return _said(data["text/plain"])
    raise InputError(
        "{where} has an output of {choices}, which a page can't show. Show text, HTML or a PNG.",
        where=where,
        choices=', '.join(data),
    )


def _said(text: str) -> str:
    return f'<pre class="output said">{html.escape(strip_ansi(text).rstrip(), quote=False)}</pre>\n'


def _picture(content: bytes, alt: str, body: Body, where: str, up: str) -> str:
    """A picture as a file of its own, so that a page stays light; the first one of a page isn't waited with."""
    if not alt.strip():
        raise InputError("{where} has a picture without alt text. Show it with chapter10.figures.", where=where)
    width, height = size_of(content)
    loading = ' loading="lazy"' if body.pictures else ""
    name = f"pictures/{hashlib.sha256(content).hexdigest()[:16]}.png"
    body.pictures[name] = content
    return f'<img src="{up}{name}" alt="{html.escape(alt)}" width="{width}" height="{height}"{loading}>'


def text_body(source: str, folder: str, links: Links, where: str) -> Body:
    """The body of a page that is a Markdown file; markers of generated blocks (HTML comments) are left out."""
    body = Body()
    source = re.sub(r"^<!-- .*? -->\n", "", source, flags=re.M)
    body.html = markdown(source, body.headings, lambda url: links.resolve(url, folder), where)
    return body


def pictures(bodies: Iterator[Body]) -> dict[str, bytes]:
    """The pictures of all pages, each once."""
    return {name: content for body in bodies for name, content in body.pictures.items()}
