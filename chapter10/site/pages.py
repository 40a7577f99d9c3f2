"""The pages around the bodies: frame, contents, the way on, and the way to the same page in another language."""

from __future__ import annotations

import html
import re
from base64 import b64encode
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from chapter10.authoring.generated import links_line, repository
from chapter10.authoring.texts import ROOT, notebook_path
from chapter10.errors import InputError
from chapter10.language import LANGUAGES, say, speaking
from chapter10.live.page import page_json, said_in
from chapter10.site.cells import Body, notebook_body, pictures, text_body
from chapter10.site.edition import FRONT, TAGS, TEACHERS, Edition, editions
from chapter10.site.front import front
from chapter10.site.markup import Links, plain
from chapter10.site.search import index

if TYPE_CHECKING:
    from nbformat import NotebookNode

ASSETS = ("site.css", "site.js", "overview.png", "STIXTwoMath-OFL.txt")  # shared by all languages


def build(root: Path = ROOT) -> dict[str, bytes]:
    """All files of the site by their path in its folder. Raises InputError for what can't be shown."""
    found, address = editions(root), repository(root)
    written = {name: _asset(name) for name in ASSETS} | {"site-math.css": _font()}
    for edition in found:
        with speaking(edition.language):
            written |= _edition(edition, found, address)
    return written


def _edition(edition: Edition, every: list[Edition], address: str) -> dict[str, bytes]:
    """The pages of one language, its index for the search, and the pictures that it shows."""
    links = Links(edition.root, address, edition.targets(every), edition.up)
    bodies = {FRONT: front(edition, links)}
    for name in edition.notebooks:
        place = edition.place + name
        bodies[f"{name}.html"] = notebook_body(_notebook(name, edition), place, links, _note(name, edition, address))
    if TEACHERS in edition.files:
        where = edition.source(TEACHERS)
        bodies[TEACHERS] = text_body(edition.teachers.read_text("utf-8"), where.rpartition("/")[0], links, where)
    titles = {file: plain(body.title) for file, body in bodies.items()}
    template = Template(_asset("site.html").decode())
    written = {
        edition.place + file: _page(template, file, body, titles, edition, every, address).encode()
        for file, body in bodies.items()
    }
    written[f"{edition.place}site-index.js"] = index({file: (titles[file], body.html) for file, body in bodies.items()})
    return written | pictures(iter(bodies.values()))


def _notebook(name: str, edition: Edition) -> NotebookNode:
    import nbformat

    path = notebook_path(name, edition.root, edition.language)
    notebook = nbformat.read(path, as_version=4) if path.is_file() else None
    if notebook is None or not any(cell.get("outputs") for cell in notebook.cells):
        raise InputError(
            "{path} has no outputs to show: python -m chapter10 author run {name} --language {language}",
            path=path.relative_to(edition.root).as_posix(),
            name=name,
            language=edition.language,
        )
    return notebook


def _asset(name: str) -> bytes:
    return (files("chapter10") / "assets" / name).read_bytes()


def _font() -> bytes:
    """A style sheet that holds the font of formulas: from a disk, Firefox takes no font out of another file.

    Without it underbraces and brackets grow only where the reader's system has a font for mathematics.
    """
    content = b64encode(_asset("STIXTwoMath.woff2")).decode()
    source = f'url("data:font/woff2;base64,{content}") format("woff2")'
    return f'@font-face {{ font-family: "STIX Two Math"; font-display: swap; src: {source}; }}\n'.encode()


def _note(name: str, edition: Edition, address: str) -> str:
    """What stands below a notebook's title: that this is a page to read, and how to run it."""
    colab, binder = re.findall(r"\]\(([^)]+)\)", links_line(name, address, edition.language))
    here = say("on your machine")
    told = say(
        "A page to read: the outputs were stored when the notebook ran. Live figures answer here too; to change code, run the "
        "notebook on {colab} or {binder}, or {machine}.",
        colab=f'<a href="{html.escape(colab)}">Colab</a>',
        binder=f'<a href="{html.escape(binder)}">Binder</a>',
        machine=f'<a href="{edition.start(address)}">{here}</a>',
    )
    return f'<p class="note" role="note">{told}</p>\n'


def _page(
    template: Template,
    file: str,
    body: Body,
    titles: dict[str, str],
    edition: Edition,
    every: list[Edition],
    address: str,
) -> str:
    title, site, order, script = titles[file], titles[FRONT], list(titles), _asset("site.js").decode()
    place = order.index(file)
    before, after = order[place - 1] if place else "", order[place + 1] if place + 1 < len(order) else ""
    way = []
    for rel, goal, arrow in [("prev", before, "← {}"), ("next", after, "{} →")]:
        if goal and not (rel == "prev" and goal == FRONT):
            way.append(f'<a rel="{rel}" href="{goal}">{arrow.format(html.escape(titles[goal]))}</a>')
    same = {other.language: edition.to(other) + file for other in every if file in other.files}
    return template.substitute(
        tag=TAGS[edition.language],
        title=html.escape(title if title == site else f"{title} · {site}"),
        up=edition.up,
        alternate="".join(
            f'<link rel="alternate" hreflang="{TAGS[language]}" href="{goal}">\n'
            for language, goal in same.items()
            if len(same) > 1
        ),
        others="".join(
            f'<a class="language" href="{goal}" hreflang="{TAGS[language]}" lang="{TAGS[language]}">{LANGUAGES[language]}</a>\n'
            for language, goal in same.items()
            if language != edition.language
        ),
        site=html.escape(site),
        current=' aria-current="page"' if file == FRONT else "",
        contents=_contents(body),
        body=body.html,
        way="\n".join(way),
        address=address,
        said=page_json({message: say(message) for message in said_in(script) if say(message) != message}),
        # last, so that nothing else waits for it
        font=f'<link rel="stylesheet" href="{edition.up}site-math.css">' if "<math" in body.html else "",
        to_content=say("Skip to the content"),
        search=say("Search"),
        contents_of=say("Contents of this page"),
        on_page=say("On this page"),
        other_notebooks=say("Other notebooks"),
        all_notebooks=say("All notebooks"),
        source=say("Source"),
        licence=say("MIT licence"),
    )


def _contents(body: Body) -> str:
    """The page's headings of the second and third level, as nested lists."""
    items, depth = [], 0
    for level, anchor, text in body.headings.found:
        if level not in (2, 3):
            continue
        level = 2 if not depth else level  # a page whose first heading is of the third level
        while depth < level - 1:
            items.append("<ul>")
            depth += 1
        while depth > level - 1:
            items.append("</li></ul>")
            depth -= 1
        if items[-1] != "<ul>":
            items.append("</li>")
        items.append(f'<li><a href="#{html.escape(anchor)}">{text}</a>')
    return "\n".join(items + ["</li></ul>"] * depth)
