"""Editions in other languages than English: the same cells in the same order, the code the same, each text a translation.

A text cell of another edition carries in its metadata the hash of the English cell that it renders: `{"english": "a1b2c3d4e5"}`.
`follow` puts the English code into a translated text and finds a place for each translation, so that the code of two editions
can't drift apart; a cell whose English has changed since, or that nobody has translated, is told by `to_do`.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from chapter10.authoring import chinese
from chapter10.authoring.generated import LINKS, SECONDS
from chapter10.authoring.texts import parse, unparse

if TYPE_CHECKING:
    from nbformat import NotebookNode

SETUP = re.compile(r"(?m)^(?P<call>(?:\w+ = )?chapter10\.setup\()(?P<given>[^()\n]*)\)")
NOBODY = "untranslated"  # in the place of the hash: the cell still is the English one


def in_language(code: str, language: str) -> str:
    """A cell's code with the language given to `setup`; all else is as in English, for which nothing is given."""
    if language == "en":
        return code
    return SETUP.sub(lambda found: f'{found["call"]}{found["given"]}{", " if found["given"] else ""}language="{language}")', code)


def digest(english: str) -> str:
    """Of an English text cell, without what is generated in it: the links and the measured time."""
    return hashlib.sha256(SECONDS.sub("", LINKS.sub("", english)).encode()).hexdigest()[:10]


def follow(text: str, english: str, language: str) -> str:
    """A translated text, brought in step with the English one.

    Returns:
        a text with the cells of the English one: code as there, text cells as they were translated, each found by the hash
        it carries; one whose English has changed keeps its old hash, one that is new is in English and marked so.
    """
    ours, theirs = parse(text).cells if text.strip() else [], parse(english)
    matcher = difflib.SequenceMatcher(None, [_key(cell, language) for cell in theirs.cells], [_own_key(cell) for cell in ours], False)
    made: list[NotebookNode] = []
    for _, first, last, own_first, own_last in matcher.get_opcodes():
        translated = iter([cell for cell in ours[own_first:own_last] if _is_text(cell)])
        for cell in theirs.cells[first:last]:
            if not _is_text(cell):
                cell.source = in_language(cell.source, language) if cell.cell_type == "code" else cell.source
            else:
                found = next(translated, None)
                cell.metadata["english"] = found.metadata.get("english", NOBODY) if found is not None else NOBODY
                cell.source = found.source if found is not None else cell.source
            made.append(cell)
    theirs.cells = made
    return unparse(theirs)


def to_do(text: str, english: str) -> list[tuple[int, str, str]]:
    """What is to be translated, of a text in step: the cell's place, "new" or "changed", and the first words of its English."""
    found = []
    for place, (ours, theirs) in enumerate(zip(parse(text).cells, parse(english).cells)):
        hash_ = ours.metadata.get("english")
        if _is_text(theirs) and hash_ != digest(theirs.source):
            words = " ".join(theirs.source.split())[:70]
            found.append((place, "new" if hash_ == NOBODY else "changed", words))
    return found


def wording(text: str, english: str) -> Iterator[tuple[int, str]]:
    """Where a Chinese text in step is not written as Chinese is, or keeps not to the table of terms: the cell's place, and what."""
    for place, (ours, theirs) in enumerate(zip(parse(text).cells, parse(english).cells)):
        if _is_text(theirs) and ours.source != theirs.source:
            yield from ((place, wrong) for wrong in (*chinese.amiss(ours.source), *chinese.other_terms(theirs.source, ours.source)))


def done(text: str, english: str, places: list[int] | None = None) -> str:
    """The text with its cells marked as translations of the English ones beside them: all, or those at these places."""
    ours, theirs = parse(text), parse(english)
    for place, (cell, other) in enumerate(zip(ours.cells, theirs.cells)):
        if _is_text(other) and (places is None or place in places) and cell.source != other.source:
            cell.metadata["english"] = digest(other.source)
    return unparse(ours)


def _is_text(cell: NotebookNode) -> bool:
    """Whether a cell is to be translated; an exercise's statement comes from its task, through the catalogue."""
    return cell.cell_type == "markdown" and "exercise" not in cell.metadata


def _key(cell: NotebookNode, language: str) -> tuple[str, str]:
    if _is_text(cell):
        return "text", digest(cell.source)
    if "exercise" in cell.metadata:
        return "exercise", f"{cell.metadata['exercise']} {cell.metadata.get('part')}"
    return "code", in_language(cell.source, language)


def _own_key(cell: NotebookNode) -> tuple[str, str]:
    if _is_text(cell):
        return "text", cell.metadata.get("english", "")
    return _key(cell, "en")  # its code has the language already
