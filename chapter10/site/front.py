"""The front page: the README's first words, picture and table, and its credits; the rest of the README is about files."""

from __future__ import annotations

import html
import re
from importlib.resources import files

from chapter10.authoring.generated import links_line, readme, readme_path
from chapter10.errors import InputError
from chapter10.figures import size_of
from chapter10.language import say
from chapter10.site.cells import Body, text_body
from chapter10.site.edition import TEACHERS, Edition
from chapter10.site.markup import Links

PICTURE = re.compile(r"^!\[([^\]]+)\]\(chapter10/assets/(overview\.png)\)$", re.M)
MARK = "PICTUREOFTHEFRONTPAGE"  # stands in the text until the picture takes its place


def front(edition: Edition, links: Links) -> Body:
    """The body of an edition's front page. Raises InputError for a README that lacks a part of it."""
    where = readme_path(edition.root, edition.language).name
    head, *sections = re.split(r"^(?=## )", readme(edition.root, edition.language), flags=re.M)
    head = re.sub(r"^<!-- badges -->.*?^<!-- /badges -->\n", "", head, flags=re.S | re.M)
    match = PICTURE.search(head)
    credits_ = sections[-1] if sections else ""
    if match is None or "](LICENSE)" not in credits_:
        raise InputError(
            "{where} has no line with the overview picture, or does not end in a section of credits and licence. Put them back.",
            where=where,
        )
    source = _without(edition, PICTURE.sub(MARK, head)) + _run(edition, links.address) + credits_
    body = text_body(source, "", links, where)
    content = (files("chapter10") / "assets" / "overview.png").read_bytes()
    width, height = size_of(content)
    image = f'<img src="{links.up}overview.png" alt="{html.escape(match[1])}" width="{width}" height="{height}">'
    body.html = body.html.replace(MARK, image)
    return body


def _without(edition: Edition, head: str) -> str:
    """The table without the rows of notebooks that have no page in this language, and which they are below it."""
    if not edition.left:
        return head
    for name in edition.left:
        head = re.sub(rf"^\| [^|\n]*\({re.escape(edition.source(f'{name}.html'))}\) \|.*\n", "", head, flags=re.M)
    listed = "\n".join(f"- [{name}](notebooks/{name}.ipynb)" for name in edition.left)
    told = say("These notebooks are there in English only so far:")
    return f"{head.rstrip()}\n\n{told}\n\n{listed}\n\n"


def _run(edition: Edition, address: str) -> str:
    """Where to run what is only read here, and what there is for teachers."""
    colab, binder = re.findall(r"\]\(([^)]+)\)", links_line("00_start_here", address, edition.language))
    parts = [
        "## " + say("Read here, run elsewhere"),
        say(
            "The pages show what the notebooks showed when they ran. Figures with sliders answer to your hand here too, "
            "without a network. To change code and run it, open the notebooks on [Colab]({colab}) or [Binder]({binder}), or "
            "[on your machine]({machine}).",
            colab=colab,
            binder=binder,
            machine=edition.start(address),
        ),
        say(
            "Teaching with them? A [page for teachers]({page}) has plans for lessons, and the answers: it gives everything "
            "away.",
            page=edition.source(TEACHERS) if TEACHERS in edition.files else "notebooks/for_teachers.md",
        ),
    ]
    return "\n\n".join(parts) + "\n\n"
