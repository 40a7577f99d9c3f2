"""The index that the pages search: the words of each section, as a script, for a page from a disk may not fetch files."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from chapter10.live.page import page_json

SKIPPED = {"script", "style", "summary"}
WORD = re.compile(r"[^\W\d_]\w{2,}")


class _Sections(HTMLParser):
    """Splits a page's body at its headings: (anchor, heading, text, names in the code) of each section."""

    def __init__(self) -> None:
        super().__init__()
        self.sections: list[tuple[str, list[str], list[str], dict[str, None]]] = []
        self._skipped = self._code = 0
        self._heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("h1", "h2", "h3", "h4") and "id" in given:
            self.sections.append((given["id"] or "", [], [], {}))
            self._heading = True
        self._skipped += tag in SKIPPED
        self._code += tag == "pre" and "output" not in (given.get("class") or "")

    def handle_endtag(self, tag: str) -> None:
        self._heading = self._heading and tag not in ("h1", "h2", "h3", "h4")
        self._skipped -= tag in SKIPPED
        self._code = max(0, self._code - (tag == "pre"))
        if self.sections and not self._heading and tag not in ("em", "strong", "code", "a", "span", "mi", "mo", "mn"):
            self.sections[-1][2].append(" ")

    def handle_data(self, data: str) -> None:
        if not self.sections or self._skipped:
            return
        _, heading, text, names = self.sections[-1]
        if self._code:
            names.update(dict.fromkeys(WORD.findall(data)))
        else:
            (heading if self._heading else text).append(data)


def sections(body: str) -> list[tuple[str, str, str, str]]:
    """(anchor, heading, text, names in the code) of each section of a page's body."""
    parser = _Sections()
    parser.feed(body)
    parser.close()
    return [(a, *(" ".join("".join(part).split()) for part in (h, t)), " ".join(names)) for a, h, t, names in parser.sections]


def index(pages: dict[str, tuple[str, str]]) -> bytes:
    """site-index.js for {file: (title, body)}: sets siteIndex to [file, title, [anchor, heading, text, names]...] of each."""
    found = [[file, title, *(list(section) for section in sections(body))] for file, (title, body) in pages.items()]
    return f"window.siteIndex = {page_json(found)};\n".encode()
