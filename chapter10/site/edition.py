"""The pages of one language: which there are, where they lie, and how those of another language are reached from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from chapter10.authoring.generated import CONTENTS, readme_path, teachers_path
from chapter10.authoring.texts import names, notebook_path
from chapter10.language import LANGUAGES
from chapter10.site.markup import slug

TAGS = {"en": "en", "zh": "zh-CN"}  # of a language, as HTML's attribute lang has it
FRONT, TEACHERS = "index.html", "for_teachers.html"


@dataclass(frozen=True)
class Edition:
    """One language of the site: the `notebooks` that have a page in it, and those that have one in English only (`left`)."""

    language: str
    root: Path
    notebooks: tuple[str, ...]
    left: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The folder of its pages in the site's: the English ones lie in the middle."""
        return "" if self.language == "en" else f"{self.language}/"

    @property
    def up(self) -> str:
        """From its pages to the site's folder, where lies what all languages share."""
        return "../" if self.place else ""

    @property
    def teachers(self) -> Path:
        return teachers_path(self.root, self.language)

    @property
    def files(self) -> list[str]:
        """Its pages, in the order in which they are read."""
        pages = [FRONT, *(f"{name}.html" for name in self.notebooks)]
        return [*pages, TEACHERS] if self.language == "en" or self.teachers.is_file() else pages

    def to(self, other: Edition) -> str:
        """From its pages to those of another edition."""
        return "" if other == self else self.up + other.place

    def source(self, file: str) -> str:
        """The file of the repository that a page shows, such as notebooks/zh/04_vae.ipynb."""
        if file == FRONT:
            return readme_path(Path(), self.language).as_posix()
        if file == TEACHERS:
            return self.teachers.relative_to(self.root).as_posix()
        return notebook_path(file.removesuffix(".html"), Path(), self.language).as_posix()

    def targets(self, editions: list[Edition]) -> dict[str, str]:
        """For `markup.Links`: the page of each file that is one, as it is reached from here."""
        found = {other.source(file): self.to(other) + file for other in editions for file in other.files}
        return found | {self.source(f"{name}.html"): f"{self.up}{name}.html" for name in self.left}

    def start(self, address: str) -> str:
        """Where the README of this language says how to begin on a machine of one's own."""
        text = readme_path(self.root, self.language).read_text("utf-8")
        first = re.search(r"^## (.+)$", text, re.M)
        anchor = f"#{slug(first[1])}" if first else ""
        return address + ("" if self.language == "en" else f"/blob/main/{self.source(FRONT)}") + anchor


def editions(root: Path) -> list[Edition]:
    """English first; of another language the notebooks that were run, if it has any and a README. Raises as `texts.names`."""
    texts = names(root=root)  # says so outside a clone
    every = tuple(name for name in CONTENTS if name in texts)
    found = [Edition("en", root, every)]
    for language in (language for language in LANGUAGES if language != "en"):
        there = names(root=root, language=language)
        shown = tuple(name for name in every if name in there and notebook_path(name, root, language).is_file())
        if shown and readme_path(root, language).is_file():
            found.append(Edition(language, root, shown, tuple(name for name in every if name not in shown)))
    return found
