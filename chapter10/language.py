"""In which language the package speaks to a reader, and where its sentences are looked up.

`setup(language="zh")` chooses; else the variable CHAPTER10_LANGUAGE; else English, in which everything is written. The
package's own sentences go through `say`. The code of a notebook is the same in every edition: the sentences in its cells
are looked up when a cell runs, by `Cells`. Both look in one catalogue a language, `locale/zh/LC_MESSAGES/chapter10.mo`,
through the standard library's gettext; `python -m chapter10 author catalogue` extracts and compiles it.
"""

import ast
import gettext
import os
import re
import string
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

LANGUAGES = {"en": "English", "zh": "中文"}
DOMAIN = "chapter10"
CLAIM = "of a claim"  # its unit, what it is over, its section: short words, which may be keys elsewhere
RESULT = "of a stored result"  # and of the words that stand in one
# A result's keys whose texts are for a reader.
RETOLD = ("protocol", "differs", "judge", "source", "rerun_source", "published_source", "published_active_units")
TABLE = "a cell of a table"  # gettext's context of words that are exchanged in shown tables only
SENTENCE = re.compile(r"[A-Za-z]{2,}[ ,:;.’'()\n-]+[A-Za-z]{2,}")  # two words: one alone is a key, a name or a short label

_current: gettext.NullTranslations = gettext.NullTranslations()
_name = "en"


def choose(language: str | None = None) -> str:
    """Speak this language from now on, in this process and in the cells of its notebook. Returns its name.

    Processes that this one starts speak what CHAPTER10_LANGUAGE says.

    Args:
        language: "en" or "zh"; else the variable CHAPTER10_LANGUAGE; else "en".
    Raises:
        InputError: for a language that there isn't, or one whose catalogue is missing.
    """
    from chapter10.errors import InputError  # which says its sentences through this module

    global _current, _name
    language = language or os.environ.get("CHAPTER10_LANGUAGE") or "en"
    if language not in LANGUAGES:
        raise InputError(
            "There is no edition in the language {language!r}. Choose one of: {choices} (CHAPTER10_LANGUAGE sets it too).",
            language=language,
            choices=", ".join(LANGUAGES),
        )
    _current, _name = catalogue(language), language
    _translate_cells()
    return language


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Within the block, the package's own sentences are in this language. Raises as `catalogue`."""
    global _current, _name
    before, _current, _name = (_current, _name), catalogue(language), language
    try:
        yield
    finally:
        _current, _name = before


def chosen() -> str:
    """The name of the language that is spoken, such as "en"."""
    return _name


def catalogue(language: str) -> gettext.NullTranslations:
    """The compiled catalogue of a language; an empty one for English. Raises InputError where it is missing or damaged."""
    from chapter10.errors import InputError

    if language == "en":
        return gettext.NullTranslations()
    folder = str(files("chapter10") / "locale")
    try:
        return gettext.translation(DOMAIN, folder, [language])
    except (OSError, UnicodeDecodeError, ValueError, struct.error) as error:
        raise InputError(
            "The catalogue of the language {language!r} can't be read ({error}). Install the package anew, or make it in a clone: "
            "python -m chapter10 author catalogue --language {language}, with CHAPTER10_LANGUAGE unset.",
            language=language,
            error=error,
        ) from None


def say(message: str, /, **values: Any) -> str:
    """A sentence of the package in the reader's language, with its values put in.

    Args:
        message: the English sentence, with named places for values, such as "beta is {beta}; give a number from 0 up.";
            written out in the call, for it is found there by the command that extracts the catalogue.
        values: what stands in the places. Without any, the braces of a message stay as they are.
    """
    text = _look_up(message)
    return text.format(**values) if values else text


def say_of(count: int, one: str, many: str, /, **values: Any) -> str:
    """`say` of one thing or of many, as the language counts; `count` may stand in the sentence as {count}."""
    return _current.ngettext(one, many, count).format(count=count, **values)


def sentences(*parts: str) -> str:
    """Sentences one after the other, as the language joins them; empty ones are left out."""
    return ("" if _name == "zh" else " ").join(filter(None, parts))


def noted(message: str) -> str:
    """The message as it is: says only that it belongs in the catalogue, where it is kept to be said later."""
    return message


def in_tables(text: str) -> str:
    """A Markdown text with the words in its tables' cells in the reader's language.

    Many of these words are keys as well, in the code that makes the table; so they are exchanged when it is shown, and the
    catalogue keeps them apart, in the context `TABLE`.
    """
    lines = text.split("\n")
    return "\n".join("|".join(map(_in_table, cells_of(line))) if line.startswith("|") else line for line in lines)


def retold(result: Any) -> Any:
    """A stored result with the texts that are for a reader in the reader's language; all else as it is."""
    return _in_result(result, lambda text: _current.pgettext(RESULT, text) if text else text)


def texts_of(result: Any) -> list[str]:
    """The texts for a reader in a stored result, in their order."""
    found: list[str] = []

    def keep(text: str) -> str:
        found.append(text)
        return text

    _in_result(result, keep)
    return found


def _in_result(item: Any, change: Callable[[str], str], told: bool = False) -> Any:
    """With the texts below a key of `RETOLD` changed; `told`: this is below one."""
    if isinstance(item, dict):
        return {key: _in_result(part, change, told or key in RETOLD) for key, part in item.items()}
    if isinstance(item, list):
        return [_in_result(part, change, told) for part in item]
    return change(item) if told and isinstance(item, str) else item


def of_claim(words: str) -> str:
    """A claim's unit, section, or what it was measured over, in the reader's language, where no cell has said it so already."""
    return _current.pgettext(CLAIM, words) if words else words


def cells_of(line: str) -> list[str]:
    """The cells of a line of a Markdown table, and what is before the first and after the last bar."""
    return re.split(r"(?<!\\)\|", line)


def _in_table(cell: str) -> str:
    word = cell.strip(" *")
    return cell.replace(word, _current.pgettext(TABLE, word)) if word else cell


def _look_up(message: str) -> str:
    return _current.gettext(message) if message else message  # the empty message is the catalogue's own head


def template(node: ast.JoinedStr) -> str:
    """An f-string as it stands in the catalogue: its values numbered, "{0} of {1} modes", whatever they are computed from."""
    places, parts = 0, []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(part.value.replace("{", "{{").replace("}", "}}"))
        else:
            parts.append(f"{{{places}}}")
            places += 1
    return "".join(parts)


class Cells(ast.NodeTransformer):
    """Puts another language's sentences in the place of a cell's own, where the catalogue has them.

    What is computed stays as it is: of an f-string only the words around its values are exchanged, and their order.
    """

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if not isinstance(node.value, str) or not SENTENCE.search(node.value):  # a key: the label of that word is no other name for it
            return node
        text = _look_up(node.value)
        return node if text == node.value else ast.copy_location(ast.Constant(text), node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        values = [part for part in node.values if isinstance(part, ast.FormattedValue)]
        for part in values:
            part.value = self.visit(part.value)
        message = template(node)
        text = _look_up(message)
        if text != message:
            node.values = []
            for words, place, _, _ in string.Formatter().parse(text):
                if words:
                    node.values.append(ast.copy_location(ast.Constant(words), node))
                if place is not None:
                    node.values.append(values[int(place)])
        return node


def _translate_cells() -> None:
    """Where this process is a notebook's kernel: its next cells speak the language too."""
    ipython = sys.modules.get("IPython")  # where it was never imported, there are no cells
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return
    shell.ast_transformers[:] = [other for other in shell.ast_transformers if not isinstance(other, Cells)]
    markdown, named = shell.display_formatter.formatters["text/markdown"], "IPython.core.display.Markdown"
    way = markdown.pop(named, None)
    if way in (None, _markdown):  # else the reader shows Markdown in a way of their own, which stays
        way = None if _name == "en" else _markdown
    if way is not None:
        markdown.for_type_by_name(*named.rsplit(".", 1), way)
    if _name != "en":
        shell.ast_transformers.append(Cells())


def _markdown(shown: Any) -> Any:
    """How a Markdown text of a cell is shown: with its tables' words in the reader's language."""
    text = in_tables(shown.data)
    return (text, shown.metadata) if shown.metadata else text
