"""What may be kept of a notebook's outputs: `clean` strips the rest, `amiss` says what is still wrong."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
WIDGET = "application/vnd.jupyter.widget-view+json"
# What Jupyter notes in a cell about one run, or about one reader's view of it.
TRANSIENT = {"execution", "ExecuteTime", "autoscroll", "collapsed", "scrolled", "trusted"}
# What a path on somebody's machine looks like; not preceded by what makes it part of an address or of base64.
MACHINE_PATH = re.compile(
    r"(?<![\w.:/+=~$<])/(?:home|root|Users|tmp|work|usr|opt|mnt|var|private|content|srv)/[\w.-]+"
    r"|[A-Z]:\\+(?:Users|Windows|Temp|hostedtoolcache)\b|ipykernel_\d+"
)
ADDRESS_OF_OBJECT = re.compile(r"<[^<>]+ at 0x[0-9a-fA-F]{6,}>")


def clean(notebook: NotebookNode, root: Path) -> None:
    """Strip from outputs what must not be kept, in place.

    Widget states and views (they show nothing where no kernel runs), what a progress bar overwrote, how the
    kernel's machine calls its folders.
    """
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for key in TRANSIENT & set(cell.metadata):
            del cell.metadata[key]
        kept: list[NotebookNode] = []
        for output in cell.outputs:
            data = output.get("data", {})
            if WIDGET in data:
                del data[WIDGET]
                data.pop("text/plain", None)  # the widget's repr
                if not data:
                    continue
            last = kept[-1] if kept else None
            if output.output_type == "stream" and last is not None and last.get("name") == output.name:
                last.text += output.text
            else:
                kept.append(output)
        for output in kept:
            if output.output_type == "stream":
                output.text = overwritten(output.text)
        cell.outputs = [_without_paths(o, root) for o in kept if o.output_type != "stream" or o.text.strip()]


def overwritten(text: str) -> str:
    """What a terminal would show in the end: after a carriage return, a line is written over from its beginning."""
    lines = []
    for line in text.replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return "\n".join(lines)


def _without_paths(output: NotebookNode, root: Path) -> NotebookNode:
    from nbformat import from_dict

    places = [
        (os.environ.get("CHAPTER10_DATA"), "$CHAPTER10_DATA"),
        (sys.prefix, "$VIRTUAL_ENV"),  # before the repository, in which it may lie
        (str(root), "."),
        (str(Path.home()), "~"),
    ]

    def visit(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: item if key.startswith("image/") else visit(item) for key, item in value.items()}
        if isinstance(value, list):
            return [visit(item) for item in value]
        if isinstance(value, str):
            for place, word in places:
                if place and len(place) > 1:
                    pattern = rf"(?<![\w/]){re.escape(place)}(?![\w-])"
                    value = re.sub(pattern, lambda _, word=word: word, value)
        return value

    return from_dict(visit(output))


def amiss(notebook: NotebookNode, name: str) -> Iterator[str]:
    """What is wrong with a notebook's outputs and metadata."""
    where = f"notebooks/{name}.ipynb"
    if dict(notebook.metadata.get("kernelspec", {})) != KERNELSPEC:
        yield f"{where}: its kernelspec is not {KERNELSPEC}"
    details = set(notebook.metadata.get("language_info", {})) - {"name"}
    if details or set(notebook.metadata) - {"kernelspec", "language_info"}:
        yield f"{where}: its metadata hold more than the kernel's name and language"
    cells = enumerate(notebook.cells)
    code = [(i, cell) for i, cell in cells if cell.cell_type == "code" and cell.source.strip()]
    if code and not any(cell.outputs for _, cell in code):
        yield f"{where} has no outputs"
    for expected, (i, cell) in enumerate(code, 1):
        if cell.execution_count != expected:
            yield f"{where}, cell {i}: its execution count is {cell.execution_count}, expected {expected}: run it anew"
            break
    for i, cell in code:
        if transient := TRANSIENT & set(cell.metadata):
            yield f"{where}, cell {i}: its metadata hold {sorted(transient)}"
        for output in cell.outputs:
            for problem in _output_amiss(output, "raises-exception" in cell.metadata.get("tags", [])):
                yield f"{where}, cell {i}: {problem}"


def _output_amiss(output: NotebookNode, may_raise: bool) -> Iterator[str]:
    if output.output_type == "error" and not may_raise:
        yield f"it holds an error ({output.ename}: {output.evalue})"
    data = output.get("data", {})
    if WIDGET in data:
        yield "it holds a widget's view, which shows nothing without a kernel"
    for kind in data:
        if kind in ("image/png", "image/jpeg"):
            yield f"a picture ({kind}) has no alt text that JupyterLab would show: show it with chapter10.figures.show"
    page = "".join(data.get("text/html", ""))
    if re.search(r"<img\b(?![^>]*\balt=[\"']\s*[^\s\"'])", page):
        yield "an <img> in its HTML has no alt text"
    shown = {key: value for key, value in data.items() if not key.startswith("image/")}
    if page:
        shown["text/html"] = re.sub(r"data:image/\w+;base64,[A-Za-z0-9+/=]+", "", page)
    said = "\n".join(_strings([shown, output.get("text"), output.get("evalue"), output.get("traceback")]))
    if match := MACHINE_PATH.search(said):
        yield f"it holds a path of the machine it ran on ({match[0]!r})"
    if match := ADDRESS_OF_OBJECT.search(said):
        yield f"it shows a bare object ({match[0]!r}): end the cell with a semicolon, or show what matters"
    if output.get("name") == "stderr" and re.search(r"\w*Warning\b", output.text):
        yield f"it shows a warning ({re.search(r'.*Warning.*', output.text)[0].strip()!r})"


def _strings(value: Any) -> Iterator[str]:
    """Every string in a nesting of dicts and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)
