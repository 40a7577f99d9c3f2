"""What the authors of notebooks run, as `python -m chapter10 author sync|run|check|links|picture|site|translate|catalogue`.

An author edits `notebooks/text/NN_name.md` (MyST, read through jupytext); everything else follows from it:
`sync` brings the notebook in step and keeps the outputs of cells that did not change, `run` executes it and
stores the outputs and the measured time, `links` writes the repository's address, `picture` draws the README's
picture, `site` exports web pages, `check` says what is amiss.
What these commands write (links, the Colab cell, measured times, the README's table) nobody types. Another edition follows
from the English one: `translate` brings its texts in step with the English cells, `catalogue` what the package says.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from chapter10.authoring import catalogue, editions
from chapter10.authoring.generated import (
    CONTENTS,
    SECONDS,
    measured,
    readme,
    readme_path,
    repository,
    teachers,
    teachers_path,
)
from chapter10.authoring.outputs import amiss
from chapter10.authoring.running import filled, run, sync
from chapter10.authoring.texts import (
    ROOT,
    folder,
    measured_name,
    names,
    notebook_path,
    parse,
    text_path,
    write,
)
from chapter10.errors import Chapter10Error, InputError
from chapter10.language import LANGUAGES

if TYPE_CHECKING:
    from nbformat import NotebookNode

RUN = "python -m chapter10 author run"
MAX_BYTES = 1_000_000
MAX_SECONDS = 60
MAX_MEGABYTES = 1500


def problems(root: Path = ROOT) -> list[str]:
    """Everything that is amiss with notebooks, texts and README, one sentence each; empty when all is well."""
    english = set(names(root=root))
    unlisted = sorted(english - CONTENTS.keys())
    found = [f"{name} has no row in CONTENTS (chapter10/authoring/generated.py)" for name in unlisted]
    for language in LANGUAGES:
        texts = set(names(root=root, language=language))
        notebooks = {path.stem for path in folder(root, language).glob("*.ipynb")}
        place = folder(Path(), language).as_posix()
        found += [f"{place}/text/{name}.md has no notebook: {_again(name, language)}" for name in sorted(texts - notebooks)]
        found += [f"{place}/{name}.ipynb has no text in {place}/text" for name in sorted(notebooks - texts)]
        found += [f"{place}/text/{name}.md renders no English text" for name in sorted(texts - english)]
        for name in sorted(texts & notebooks & english):
            try:
                found += _pair_problems(name, root, language)
            except Chapter10Error as error:
                found.append(str(error))
        page = readme_path(root, language)
        if (page.is_file() or language == "en") and readme(root, language) != page.read_text("utf-8"):
            found.append(f"{page.name}: badges, clone line or table are not as generated: python -m chapter10 author links")
        page = teachers_path(root, language)
        if page.is_file() and teachers(root, language) != page.read_text("utf-8"):
            told = page.relative_to(root).as_posix()
            found.append(f"{told}: links to a hub are not as generated: python -m chapter10 author links")
    return found


def _again(name: str, language: str) -> str:
    """The command that runs a notebook of an edition."""
    return f"{RUN} {name}" + (f" --language {language}" if language != "en" else "")


def _pair_problems(name: str, root: Path, language: str = "en") -> Iterator[str]:
    """What is amiss with one notebook and its text. Raises InputError for a text without a title."""
    import nbformat

    told = text_path(name, Path(), language).as_posix()
    text, path = text_path(name, root, language).read_text("utf-8"), notebook_path(name, root, language)
    again = _again(name, language)
    notebook = nbformat.read(path, as_version=4)
    if filled(name, root, language) != text:
        yield f"{told}: links, Colab cell or time are not as generated{' and the code as in English' * (language != 'en')}: {again}"
    if _content(parse(text)) != _content(notebook):
        yield f"{told} is out of step with its notebook: {again}"
    size = path.stat().st_size
    if size > MAX_BYTES:
        yield f"{told}: the notebook has {size / 1e6:.2f} MB, more than {MAX_BYTES / 1e6:.0f}"
    if not SECONDS.search(notebook.cells[0].source):
        yield f"{told} does not say in its first cell how long it takes ('about N s')"
    if language != "en":
        english = text_path(name, root).read_text("utf-8")
        yield from (f"{told}, cell {place}: {why}: {words}" for place, why, words in editions.to_do(text, english))
        yield from (f"{told}, cell {place}: {wrong}" for place, wrong in editions.wording(text, english))
    row = measured(root).get(measured_name(name, language))
    if row is None:
        yield f"{told}: no measured time in chapter10/results/notebooks.json: {again}"
    else:
        if row["scale"] != "quick":
            yield f"{name} was run at the scale {row['scale']!r}: run it at 'quick', the default"
        if row["seconds"] > MAX_SECONDS or (row["peak_mb"] or 0) > MAX_MEGABYTES:
            took = f"{row['seconds']} s and {row['peak_mb']} MB"
            yield f"{name} took {took}; the budget is {MAX_SECONDS} s and {MAX_MEGABYTES} MB"
    yield from amiss(notebook, name)


def _content(notebook: NotebookNode) -> list[tuple[str, str, dict]]:
    return [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Hang `author` with its commands into a command line; each sets `run`, a function args -> exit code."""
    author = subparsers.add_parser("author", help="for authors: bring notebooks in step, run and check them")
    commands = author.add_subparsers(title="commands", required=True, metavar="sync|run|check|links|picture|site|translate|catalogue")
    for name, function, words in [
        ("sync", _sync_command, "write each notebook from its text; outputs of unchanged cells stay"),
        ("run", _run_command, "run notebooks anew and store outputs and times"),
        ("check", _check_command, "say what is amiss with notebooks, texts and README"),
        ("links", _links_command, "write the repository's address wherever it is needed"),
        ("picture", _picture_command, "draw the README's picture anew, from the stored weights"),
        ("site", _site_command, "export all notebooks, with their stored outputs, as web pages"),
        ("translate", _translate_command, "bring another edition's texts in step with the English ones, and say what is to do"),
        ("catalogue", _catalogue_command, "extract what the package says, compile the catalogue, and say what is to translate"),
    ]:
        parser = commands.add_parser(name, help=words, description=words)
        if name in ("sync", "run", "translate", "catalogue"):
            default = "en" if name in ("sync", "run") else "zh"
            parser.add_argument("--language", default=default, choices=LANGUAGES, help=f"which edition (default: {default})")
        if name == "translate":
            parser.add_argument("--done", action="store_true", help="mark the cells that are no longer as in English as translated")
        if name in ("sync", "run", "translate"):
            parser.add_argument(
                "notebooks", nargs="*", metavar="NN", help="such as 04 or 04_vae; all, if none is named"
            )
        if name == "site":
            parser.add_argument("--out", default="site", help="the folder to write (default: site)")
        parser.set_defaults(run=function)


def _sync_command(args: argparse.Namespace) -> int:
    for name in names(args.notebooks, language=args.language):
        notebook = sync(name, language=args.language)
        stale = sum(
            c.cell_type == "code" and bool(c.source.strip()) and c.execution_count is None
            for c in notebook.cells
        )
        print(f"{name}: in step" + (f"; {stale} code cells wait for `author run {name}`" if stale else ""))
    _write_pages()
    return 0


def _run_command(args: argparse.Namespace) -> int:
    failed = 0
    for name in names(args.notebooks, language=args.language):
        try:
            row = run(name, language=args.language)
        except InputError as error:
            failed += 1
            print(f"{name}: FAILED\n{error}", file=sys.stderr)
            continue
        peak = "" if row["peak_mb"] is None else f", at most {row['peak_mb']} MB"
        size = notebook_path(name, language=args.language).stat().st_size / 1e6
        print(
            f"{name}: {row['code_cells']} code cells, {row['seconds']:.1f} s{peak}, a file of {size:.2f} MB",
            flush=True,
        )
    _write_pages()
    return 1 if failed else 0


def _check_command(args: argparse.Namespace) -> int:
    found = problems()
    print("\n".join(found) if found else f"{len(names())} notebooks: all in order")
    return 1 if found else 0


def _write_pages() -> None:
    """The pages that follow from the list of notebooks and the repository's address."""
    for language in LANGUAGES:
        if readme_path(language=language).is_file():
            write(readme_path(language=language), readme(language=language))
        if teachers_path(language=language).is_file():
            write(teachers_path(language=language), teachers(language=language))


def _links_command(args: argparse.Namespace) -> int:
    for language in LANGUAGES:
        for name in names(language=language):
            sync(name, language=language)
    _write_pages()
    print(f"links lead to {repository()}")
    return 0


def _picture_command(args: argparse.Namespace) -> int:
    from chapter10.authoring.overview import overview

    print(f"Drawn: {overview().name}")
    return 0


def _site_command(args: argparse.Namespace) -> int:
    from chapter10.site import export

    sizes = export(args.out)
    pages = sum(name.endswith(".html") for name in sizes)
    print(f"{args.out}: {pages} pages, {sum(sizes.values()) / 1e6:.1f} MB; open {Path(args.out) / 'index.html'}")
    return 0


def _translate_command(args: argparse.Namespace) -> int:
    if args.language == "en":
        raise InputError("The English texts are the ones that are translated: give another --language.")
    left = 0
    for name in names(args.notebooks):
        path, english = text_path(name, language=args.language), text_path(name).read_text("utf-8")
        text = path.read_text("utf-8") if path.is_file() else ""
        text = editions.follow(text, english, args.language)
        if args.done:
            text = editions.done(text, english)
        write(path, text)
        write(path, filled(name, language=args.language))
        found = editions.to_do(text, english)
        left += len(found)
        print(f"{name}: {len(found) or 'nothing'} to translate")
        for place, why, words in found:
            print(f"  cell {place}, {why}: {words}")
    return 1 if left else 0


def _catalogue_command(args: argparse.Namespace) -> int:
    found = catalogue.update(args.language)
    print("\n".join(found) if found else "the catalogue is whole")
    return 1 if found else 0
