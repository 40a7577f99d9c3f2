"""The catalogue of what is said to a reader: extracted from package, scripts, notebooks and tasks; checked; compiled. By Babel."""

from __future__ import annotations

import ast
import inspect
import io
import json
import re
import string
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chapter10 import errors
from chapter10.authoring import chinese
from chapter10.authoring.texts import ROOT, names, notebook_path, parse, text_path
from chapter10.errors import InputError
from chapter10.files import write_atomic
from chapter10.language import CLAIM, DOMAIN, LANGUAGES, RESULT, SENTENCE, TABLE, cells_of, template, texts_of

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog, Message

# Which arguments are messages, as Babel takes it: None is the first.
ERRORS = [name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.Chapter10Error)]
KEYWORDS = {"say": None, "say_of": (2, 3), "noted": None, **dict.fromkeys(ERRORS)}
KEPT = "kept"  # a translator's comment that begins so: the entry stays as it is, for the reason that follows


class Found(NamedTuple):
    """A message and where it stands; `comments` are for who translates it."""

    id: str | tuple[str, str]
    place: str
    comments: tuple[str, ...] = ()
    context: str | None = None


def po_path(language: str, root: Path = ROOT) -> Path:
    return root / "chapter10" / "locale" / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def of_package(root: Path = ROOT) -> Iterator[Found]:
    """What is written out in a call of `language.say` and its like."""
    from babel.messages.extract import extract

    for path in sorted((root / "chapter10").rglob("*.py")):
        if path.name.startswith("bench"):  # for who measures; readers don't see it
            continue
        with path.open("rb") as file:
            for _, message, comments, _ in extract("python", file, KEYWORDS, ["for the translator:"]):
                message = message if isinstance(message, str) else tuple(message)
                yield Found(message, path.relative_to(root).as_posix(), tuple(comments))


def of_scripts(root: Path = ROOT) -> Iterator[Found]:
    """What the pages' scripts say: the sentences in their calls of say("…")."""
    from chapter10.live.page import said_in

    for path in sorted((root / "chapter10" / "assets").glob("*.js")):
        yield from (Found(message, path.relative_to(root).as_posix()) for message in said_in(path.read_text("utf-8")))


def of_cells(root: Path = ROOT) -> Iterator[Found]:
    """The sentences in the notebooks' code cells, f-strings as their templates; an exercise's cells are its task's."""
    for name in names(root=root):
        for cell in parse(text_path(name, root).read_text("utf-8")).cells:
            if cell.cell_type == "code" and "exercise" not in cell.metadata and "colab" not in cell.metadata.get("tags", []):
                yield from (found._replace(place=f"notebooks/text/{name}.md") for found in of_code(cell.source))


def of_code(source: str) -> Iterator[Found]:
    """The sentences in one cell's code, in their order."""
    source = re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source)
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}

    def walk(node: ast.AST) -> Iterator[Found]:
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("claim"):
            for keyword in node.keywords:
                if keyword.arg in ("unit", "over", "section") and isinstance(keyword.value, ast.Constant):
                    words = keyword.value.value
                    if re.search("[A-Za-z]{2,}", words) and not SENTENCE.search(words):
                        yield Found(words, "", context=CLAIM)
        if id(node) in docstrings and isinstance(node, ast.Constant):
            return
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SENTENCE.search(node.value):
            yield Found(node.value, "")
        elif isinstance(node, ast.JoinedStr):
            values = [part for part in node.values if isinstance(part, ast.FormattedValue)]
            words = " ".join(part.value for part in node.values if isinstance(part, ast.Constant))
            if re.search(r"[A-Za-z]{2,}", words):
                places = "; ".join(f"{{{i}}}: {ast.unparse(part.value)}" for i, part in enumerate(values))
                yield Found(template(node), "", (places,) if places else ())
            for part in values:
                yield from walk(part.value)
        else:
            for child in ast.iter_child_nodes(node):
                yield from walk(child)

    yield from walk(tree)


def of_tasks() -> Iterator[Found]:
    """What a task says: its statement, hints and reasons, what there is to say of each known mistake, and what was observed."""
    from chapter10.exercises.observed import messages
    from chapter10.exercises.task import load
    from chapter10.exercises.task import names as tasks

    for task in map(load, tasks()):
        place = f"chapter10/exercises/tasks/n{task.name.replace('-', '_')}.py"
        said = [task.title, task.statement, *task.hints, task.why, task.right, task.unanswered]
        said += [mistake.says for mistake in (*task.mistakes, *task.also)]
        said += messages(inspect.getsource(sys.modules[task.observe.__module__]))
        for message in said:
            if message:
                yield Found(message, place)


def of_tables(root: Path = ROOT) -> Iterator[Found]:
    """The words in the cells of the tables that the English notebooks show: they may be keys where the table is made."""
    import nbformat

    for name in names(root=root):
        path = notebook_path(name, root)
        for cell in nbformat.read(path, as_version=4).cells if path.is_file() else ():
            for output in cell.get("outputs", ()):
                lines = output.get("data", {}).get("text/markdown", "").splitlines()
                for word in (word.strip(" *") for line in lines if line.startswith("|") for word in cells_of(line)):
                    if re.search("[A-Za-z]{3,}", word) and not re.search("[0-9`]", word):
                        yield Found(word, path.relative_to(root).as_posix(), context=TABLE)


def of_results(root: Path = ROOT) -> Iterator[Found]:
    """What stored results say to a reader: protocols, and what differs from a paper's."""
    for path in sorted((root / "chapter10" / "results").glob("*.json")):
        for text in texts_of(json.loads(path.read_text("utf-8"))):
            yield Found(text, path.relative_to(root).as_posix(), context=RESULT)


def extracted(root: Path = ROOT) -> Catalog:
    """The template: all that can be said to a reader, each message once with all its places."""
    from babel.messages.catalog import Catalog

    made = Catalog(project=DOMAIN, charset="utf-8")
    sources = of_package(root), of_scripts(root), of_cells(root), of_tasks(), of_results(root), of_tables(root)
    for found in chain.from_iterable(sources):
        made.add(found.id, None, [(found.place, 0)], auto_comments=found.comments, context=found.context)
    return made


def stored(language: str, root: Path = ROOT) -> Catalog:
    """The catalogue as it stands. Raises InputError for a file that isn't one."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import PoFileError, read_po

    path = po_path(language, root)
    if not path.is_file():
        return Catalog(locale=language, project=DOMAIN, charset="utf-8")
    try:
        return read_po(io.BytesIO(path.read_bytes()), locale=language, abort_invalid=True)
    except (PoFileError, UnicodeDecodeError, ValueError) as error:
        raise InputError(
            "{name} of {language!r} is no catalogue ({error}). Mend the line, or take it back from git.",
            name=path.name,
            language=language,
            error=error,
        ) from None


def update(language: str, root: Path = ROOT) -> list[str]:
    """Bring a language's catalogue in step with what is said, compile it, and say what is to be translated."""
    _check(language)
    made = stored(language, root)
    made.update(extracted(root), no_fuzzy_matching=True, update_creation_date=False)
    made.obsolete.clear()  # git keeps them
    path = po_path(language, root)
    write_atomic(path, as_po(made))
    write_atomic(path.with_suffix(".mo"), as_mo(stored(language, root)))
    return problems(language, root)


def as_po(made: Catalog) -> bytes:
    """The text of a catalogue, the same for the same entries: without dates and line numbers."""
    from babel.messages.pofile import write_po

    out = io.BytesIO()
    write_po(out, made, width=100, include_lineno=False, sort_by_file=True)
    return re.sub(rb'(?m)^"(?:POT-Creation-Date|PO-Revision-Date|Generated-By|Last-Translator)[^\n]*\n', b"", out.getvalue())


def as_mo(made: Catalog) -> bytes:
    """The compiled catalogue, without entries that still are to be looked at."""
    from babel.messages.mofile import write_mo

    out = io.BytesIO()
    made.creation_date = made.revision_date = datetime.fromtimestamp(0, timezone.utc)  # the same for the same entries
    write_mo(out, made)
    return out.getvalue()


def problems(language: str, root: Path = ROOT) -> list[str]:
    """What is amiss with a language's catalogue, a sentence each."""
    _check(language)
    found, made, wanted = [], stored(language, root), extracted(root)
    keys = {(message.context, message.id) for message in wanted if message.id}
    have = {(message.context, message.id): message for message in made if message.id}
    found += [f"missing: {_short(id_)}" for _, id_ in keys - have.keys()]
    found += [f"stale, nothing says it any more: {_short(id_)}" for _, id_ in have.keys() - keys]
    for key in keys & have.keys():
        found += [f"{told}: {_short(key[1])}" for told in _entry_problems(have[key])]
    compiled = po_path(language, root).with_suffix(".mo")
    if not compiled.is_file() or compiled.read_bytes() != as_mo(made):
        found.append("the compiled catalogue is out of step: python -m chapter10 author catalogue")
    return sorted(found)


def _check(language: str) -> None:
    if language not in LANGUAGES or language == "en":
        raise InputError(
            "{language!r} is no language to translate to. There are: {choices}.",
            language=language,
            choices=", ".join(sorted(set(LANGUAGES) - {"en"})),
        )


def _entry_problems(message: Message) -> Iterator[str]:
    texts = [message.string] if isinstance(message.string, str) else list(message.string)
    if not all(texts):
        yield "untranslated"
        return
    if message.fuzzy:
        yield "to be looked at, its English has changed"
    english = message.id if isinstance(message.id, str) else message.id[1]
    for text in texts:
        if places(text) != places(english):
            yield "other places for values than in English"
    if texts == [message.id]:
        if not any(comment.startswith(KEPT) for comment in message.user_comments):
            yield f"the same as in English, without a comment '{KEPT}: why'"
        return
    for text in texts:
        yield from chinese.amiss(text)
        yield from chinese.other_terms(english, text)


def places(text: str) -> list[str]:
    """The places for values in a message with their formats, sorted; where its braces are none, as in code, the braces."""
    try:
        return sorted(f"{name}!{conversion}:{spec}" for _, name, spec, conversion in string.Formatter().parse(text) if name is not None)
    except ValueError:
        return sorted(re.findall(r"[{}]", text))


def _short(id_: str | tuple[str, str]) -> str:
    text = " ".join((id_ if isinstance(id_, str) else id_[0]).split())
    return text if len(text) < 90 else text[:87] + "…"
