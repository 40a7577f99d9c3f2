"""The pages around the bodies: frame, contents, the way on; the front page; the teachers' page."""

from __future__ import annotations

import html
import re
from base64 import b64encode
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from chapter10.authoring.generated import CONTENTS, links_line, readme, repository, teachers_path
from chapter10.authoring.texts import ROOT, names, notebook_path
from chapter10.errors import InputError
from chapter10.site.cells import Body, notebook_body, pictures, text_body
from chapter10.site.markup import Links, plain
from chapter10.site.search import index

if TYPE_CHECKING:
    from nbformat import NotebookNode

SITE = "Chapter 10, by experiment"
ASSETS = ("site.css", "site.js", "STIXTwoMath-OFL.txt")
PICTURE = re.compile(r"^!\[([^\]]+)\]\(chapter10/assets/(overview\.png)\)$", re.M)


def build(root: Path = ROOT) -> dict[str, bytes]:
    """All files of the site by their path in its folder. Raises InputError for what can't be shown."""
    texts = names(root=root)  # says so outside a clone
    address = repository(root)
    shown = [name for name in CONTENTS if name in texts]
    targets = {f"notebooks/{name}.ipynb": f"{name}.html" for name in shown}
    targets |= {"notebooks/for_teachers.md": "for_teachers.html", "README.md": "index.html"}
    links = Links(root, address, targets)
    bodies = {"index.html": _front(root, links)}
    for name in shown:
        bodies[f"{name}.html"] = notebook_body(_notebook(name, root), name, links, _note(name, address))
    bodies["for_teachers.html"] = text_body(
        teachers_path(root).read_text("utf-8"), "notebooks", links, "notebooks/for_teachers.md"
    )
    order = list(bodies)
    template = Template(_asset("site.html").decode())
    titles = {file: plain(body.title) for file, body in bodies.items()}
    written = {
        file: _page(template, file, body, titles, order, address).encode() for file, body in bodies.items()
    }
    written |= {name: _asset(name) for name in ASSETS}
    written["site-math.css"] = _font()
    written["overview.png"] = _asset("overview.png")
    written["site-index.js"] = index({file: (titles[file], body.html) for file, body in bodies.items()})
    return written | pictures(iter(bodies.values()))


def _notebook(name: str, root: Path) -> NotebookNode:
    import nbformat

    path = notebook_path(name, root)
    notebook = nbformat.read(path, as_version=4) if path.is_file() else None
    if notebook is None or not any(cell.get("outputs") for cell in notebook.cells):
        raise InputError(
            "notebooks/{name}.ipynb has no outputs to show: python -m chapter10 author run {name}",
            name=name,
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


def _note(name: str, address: str) -> str:
    """What stands below a notebook's title: that this is a page to read, and how to run it."""
    links = re.findall(r"\[Open in (\w+)\]\(([^)]+)\)", links_line(name, address))
    runs = " or ".join(f'<a href="{html.escape(url)}">{place}</a>' for place, url in links)
    return (
        '<p class="note" role="note">A page to read: the outputs were stored when the notebook ran. Live figures answer '
        f"here too; to change code, run the notebook on {runs}, or "
        f'<a href="{address}#start">on your machine</a>.</p>\n'
    )


def _front(root: Path, links: Links) -> Body:
    """The README's first words, picture and table, and its credits; the rest of the README is about files."""
    head, *sections = re.split(r"^(?=## )", readme(root), flags=re.M)
    head = re.sub(r"^<!-- badges -->.*?^<!-- /badges -->\n", "", head, flags=re.S | re.M)
    match = PICTURE.search(head)
    credits_ = [section for section in sections if section.startswith("## Credits")]
    if match is None or len(credits_) != 1:
        raise InputError("README.md has no line with the overview picture, or no section of credits. Put them back.")
    colab, binder = re.findall(r"\]\(([^)]+)\)", links_line("00_start_here", links.address))
    run = (
        "## Read here, run elsewhere\n\nThe pages show what the notebooks showed when they ran. Figures with sliders "
        "answer to your hand here too, without a network. To change code and run it, open the notebooks on "
        f"[Colab]({colab}) or [Binder]({binder}), or [on your machine]({links.address}#start).\n\n"
        "Teaching with them? A [page for teachers](notebooks/for_teachers.md) has plans for lessons, and the answers: "
        "it gives everything away.\n\n"
    )
    mark = "PICTUREOFTHEFRONTPAGE"
    source = PICTURE.sub(mark, head) + run + credits_[0]
    body = text_body(source, "", links, "README.md")
    content = _asset("overview.png")
    width, height = (int.from_bytes(content[i : i + 4], "big") for i in (16, 20))
    image = f'<img src="overview.png" alt="{html.escape(match[1])}" width="{width}" height="{height}">'
    body.html = body.html.replace(mark, image)
    return body


def _page(
    template: Template, file: str, body: Body, titles: dict[str, str], order: list[str], address: str
) -> str:
    title = titles[file]
    place = order.index(file)
    before, after = order[place - 1] if place else "", order[place + 1] if place + 1 < len(order) else ""
    way = []
    for rel, goal, arrow in [("prev", before, "← {}"), ("next", after, "{} →")]:
        if goal and not (rel == "prev" and goal == "index.html"):
            way.append(f'<a rel="{rel}" href="{goal}">{arrow.format(html.escape(titles[goal]))}</a>')
    return template.substitute(
        title=html.escape(title if title == SITE else f"{title} · {SITE}"),
        site=SITE,
        current=' aria-current="page"' if file == "index.html" else "",
        contents=_contents(body),
        body=body.html,
        way="\n".join(way),
        address=address,
        # last, so that nothing else waits for it
        font='<link rel="stylesheet" href="site-math.css">' if "<math" in body.html else "",
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
