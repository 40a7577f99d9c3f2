"""How Chinese is written here: its punctuation, the space beside Latin letters and figures, and the table of terms.

Formulas, code and addresses are left out before anything is looked at, so that what is told is about sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from chapter10.authoring.texts import ROOT
from chapter10.errors import InputError

HAN = r"[㐀-䶿一-鿿]"
LATIN = r"[A-Za-z0-9Ͱ-Ͽ]"  # with Greek: μ and σ are read as letters
SPAN, LEADS = r"`[^`\n]+`", r"(?<=\])\([^()\s]*\)"  # code in a sentence; where a link leads
NOT_PROSE = [
    r"(?s)```.*?```",
    r"(?s)\$\$.*?\$\$",
    r"\$[^$\n]+\$",
    SPAN,
    LEADS,
    r"https?://[^\s)，。]+",
    r"<[^<>\n]+>",
]
CALL = rf"(?<={LATIN[:-1]}₀-ₜ)′‖])\([^()\n㐀-鿿（）]*\)"  # the brackets of f(x), no sentence's
CODE = "x"  # stands where something was left out, as a Latin word would
BESIDE = {  # what may not stand so: the pattern, and what to do
    rf"{HAN}[,;:?!]|[,;:?!] ?{HAN}": "a Chinese sentence takes ，；：？！ (and no space after them)",
    rf"{HAN}\.(?!\w)": "a Chinese sentence ends with 。",
    rf"{HAN}\(|{HAN} \([A-Za-z]{{3}}|\( ?{HAN}|{HAN} ?\)|\){HAN}": "brackets in Chinese are （ and ）",
    rf'{HAN}"|"{HAN}': "quotation marks in Chinese are “ and ”",
    rf"{HAN}{LATIN}|{LATIN}{HAN}": "a space belongs between Chinese and Latin letters or figures",
    r"[ \t](?=[，。；：？！、）”])|(?<=[，。；：？！、（“])[ \t]+(?=[^\s|])": "no space beside Chinese punctuation",
    rf"{HAN}[ \t]+{HAN}": "no space between Chinese characters",
    rf"{HAN}%|\d %": "a per cent sign stands at its number, without a space",
}


class Term(NamedTuple):
    """A row of the table: the English word, the Chinese ones that may stand for it, and those that may not."""

    english: str
    chinese: tuple[str, ...]
    never: tuple[str, ...]

    @property
    def pattern(self) -> re.Pattern[str]:
        """The English word as it is found in a sentence, also in the plural and with a hyphen for its space."""
        return re.compile(rf"(?<![\w-]){re.sub(r'[ -]', '[ -]', self.english)}(?:s|es)?(?![\w-])", re.I)


def terms_path(root: Path = ROOT) -> Path:
    return root / "notebooks" / "zh" / "terms.md"


@cache
def terms(root: Path = ROOT) -> tuple[Term, ...]:
    """The table of terms. Raises InputError where it is missing or a row is not complete."""
    path = terms_path(root)
    if not path.is_file():
        raise InputError(
            "There is no table of terms: {path}. Take it back from git.",
            path=path.relative_to(root),
        )
    found = []
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("|") and not line.startswith(("| ---", "| 英文")):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) != 3 or not cells[0] or not cells[1]:
                raise InputError(
                    "{name}: a row has an English word, Chinese ones and those not to be used; found {line!r}.",
                    name=path.name,
                    line=line,
                )
            found.append(Term(cells[0], _words(cells[1]), _words(cells[2])))
    return tuple(found)


def _words(cell: str) -> tuple[str, ...]:
    return tuple(filter(None, cell.split("、")))


def prose(text: str) -> str:
    """The sentences of a text: code, formulas and addresses taken out, a word left in their place."""
    for pattern in NOT_PROSE:
        text = re.sub(pattern, "" if pattern == LEADS else CODE, text)
    text = re.sub(r"\{[^{}\n]*\}", "0", text)  # a place for a value
    for _ in range(3):  # f(g(h(x)))
        text = re.sub(CALL, "", text)
    return re.sub(r"\*\*|__", "", text)


def amiss(text: str) -> Iterator[str]:
    """What is not written as Chinese is, each with its surroundings."""
    sentences = prose(text)
    for pattern, told in BESIDE.items():
        for match in re.finditer(pattern, sentences):
            around = sentences[max(0, match.start() - 8) : match.end() + 8].replace("\n", " ")
            yield f"{told}: “{around}”"
    yield from _loose_marks(text)


def _loose_marks(text: str) -> Iterator[str]:
    """Bold that Markdown doesn't take for bold: its marks beside Chinese punctuation, as in **…。**后."""
    from markdown_it import MarkdownIt

    if "**" not in text:
        return
    for token in MarkdownIt().enable("table").parse(re.sub(r"(?s)\$\$.*?\$\$|\$[^$\n]+\$", CODE, text)):
        for part in token.children or ():
            if part.type == "text" and "**" in part.content:
                yield f"bold that is shown as asterisks; move the punctuation out of it: “{part.content[:40]}”"


def other_terms(english: str, chinese: str) -> Iterator[str]:
    """Where a translation doesn't keep to the table of terms."""
    left = re.sub(SPAN, " ", english)
    for term in sorted(terms(), key=lambda term: -len(term.english)):  # "posterior collapse" before "posterior"
        found = term.pattern.search(left)
        if found:
            left = term.pattern.sub(" ", left)
            if not any(word in chinese for word in term.chinese) and not term.pattern.search(chinese):
                yield f"“{found[0]}” is {' or '.join(term.chinese)} in the table of terms"
    for term in terms():
        for word in term.never:
            if word in chinese:
                yield f"“{word}”: the table of terms has {' or '.join(term.chinese)}"
