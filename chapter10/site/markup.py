"""Markdown as HTML for the pages: formulas as MathML, links that hold in the folder, code that can be copied."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any
from urllib.parse import unquote

from math_core import LatexError, LatexToMathML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from chapter10.errors import InputError

WIDE = "[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]"  # Chinese characters and their punctuation


@dataclass
class Links:
    """Where links lead. `pages` has the page of each file that is one, as {"notebooks/04_vae.ipynb": "04_vae.html"};
    every other file of the repository, below `root`, is shown at its `address`. `up` leads to the site's folder."""

    root: Path
    address: str
    pages: dict[str, str]
    up: str = ""

    def resolve(self, url: str, folder: str) -> str:
        """The link of a page for the one that a text in `folder` ("notebooks", "") has. Raises InputError for a dead one."""
        if re.match(r"[a-z][a-z0-9+.-]*:", url, re.I):
            return url
        path, _, anchor = url.partition("#")
        anchor = f"#{slug(unquote(anchor).replace('-', ' '))}" if anchor else ""
        if not path:
            return anchor
        place = normpath(PurePosixPath(folder, unquote(path)).as_posix())
        if place in self.pages:
            return self.pages[place] + anchor
        if place.startswith("..") or not (self.root / place).exists():
            raise InputError(
                "A text in {value} links to {url}, and there is no such file. Mend the link.",
                value=folder or 'the README',
                url=url,
            )
        kind = "tree" if (self.root / place).is_dir() else "blob"
        return f"{self.address}/{kind}/main/{place}"


def slug(words: str) -> str:
    """The anchor of a heading, as GitHub makes it: lower case, hyphens, nothing but word characters."""
    return re.sub(r"[^\w\- ]", "", words.lower()).strip().replace(" ", "-")


def plain(markup: str) -> str:
    """The words of a piece of HTML."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())


def code(source: str, language: str = "") -> str:
    """A block of code that site.js gives a button to copy it with; coloured where the language is known."""
    shown = html.escape(source, quote=False)
    if language:
        try:
            shown = highlight(source, get_lexer_by_name(language, stripnl=False), HtmlFormatter(nowrap=True))
        except ClassNotFound:
            language = ""
    return f'<div class="code"><pre><code>{shown.rstrip()}</code></pre></div>\n'


@dataclass
class Headings:
    """The headings of one page, as (level, anchor, HTML); no anchor is given twice."""

    found: list[tuple[int, str, str]] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def add(self, level: int, text: str) -> str:
        stem = slug(plain(text)) or "part"
        anchor, count = stem, 1
        while anchor in self.taken:
            anchor, count = f"{stem}-{count}", count + 1
        self.taken.add(anchor)
        self.found.append((level, anchor, text))
        return anchor


class Renderer(IPythonRenderer):
    """nbconvert's renderer of Markdown with formulas, with this site's headings, links, code and MathML."""

    def __init__(self, headings: Headings, resolve: Callable[[str], str], where: str):
        super().__init__(escape=False)
        self.headings, self.resolve, self.where = headings, resolve, where
        self._mathml = LatexToMathML(fancy_error=False)

    def _formula(self, tex: str, block: bool) -> str:
        try:
            return self._mathml.convert_with_local_state(tex.strip(), displaystyle=block)
        except LatexError as error:
            raise InputError(
                "{where}: the formula {tex!r} can't be written as MathML ({error}). Write it with other commands.",
                where=self.where,
                tex=tex.strip(),
                error=error,
            ) from None

    def block_math(self, body: str) -> str:
        return f'<span class="formula">{self._formula(body, True)}</span>'

    def inline_math(self, body: str) -> str:
        return self._formula(body, False)

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        anchor = self.headings.add(level, text)
        return f'<h{level} id="{html.escape(anchor)}">{text}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        return f'<a href="{html.escape(self.resolve(url))}">{text}</a>'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        raise InputError(
            "{where} shows the picture {url} from a text; show it from a cell with chapter10.figures.",
            where=self.where,
            url=url,
        )

    def block_code(self, code_: str, info: str | None = None) -> str:
        return code(code_, (info or "").split(" ")[0].strip("{}").replace("code-cell", "python"))

    def table(self, text: str) -> str:
        return f'<div class="wide"><table>\n{text}</table></div>\n'


def markdown(text: str, headings: Headings, resolve: Callable[[str], str], where: str) -> str:
    """HTML of a Markdown text. Its headings are noted; `resolve` says where links lead; `where` names it in errors."""
    return _joined(MarkdownWithMath(renderer=Renderer(headings, resolve, where)).render(text))


def _joined(shown: str) -> str:
    """Lines of Chinese joined, but in code: browsers show the end of a line as a space, and there is none between its characters."""
    parts = re.split(r"(<pre\b.*?</pre>)", shown, flags=re.S)
    parts[::2] = [re.sub(rf"({WIDE}(?:</\w+>)*)\n(?=(?:<\w[^>]*>)*{WIDE})", r"\1", part) for part in parts[::2]]
    return "".join(parts)
