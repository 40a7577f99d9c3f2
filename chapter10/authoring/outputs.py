"""What may be kept of a notebook's outputs: `clean` strips the rest, `amiss` says what is still wrong."""

from __future__ import annotations

import json
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
        cell.metadata.pop("execution", None)
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
    """What a terminal would show in the end: of each line, what stands after its last carriage return."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(
        next((part for part in reversed(line.split("\r")) if part.strip()), "") for line in lines
    )


def _without_paths(output: NotebookNode, root: Path) -> NotebookNode:
    from nbformat import from_dict

    places = [(os.environ.get("CHAPTER10_DATA"), "$CHAPTER10_DATA"), (str(root), "."), (sys.prefix, "$VIRTUAL_ENV"),
              (str(Path.home()), "~")]  # fmt: skip

    def visit(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: item if key.startswith("image/") else visit(item) for key, item in value.items()}
        if isinstance(value, list):
            return [visit(item) for item in value]
        if isinstance(value, str):
            for place, word in places:
                if place and len(place) > 1:
                    value = re.sub(
                        rf"(?<![\w/]){re.escape(place)}(?![\w-])", lambda _, word=word: word, value
                    )
        return value

    return from_dict(visit(output))


def amiss(notebook: NotebookNode, name: str) -> Iterator[str]:
    """What is wrong with a notebook's outputs and metadata."""
    where = f"notebooks/{name}.ipynb"
    if dict(notebook.metadata.get("kernelspec", {})) != KERNELSPEC:
        yield f"{where}: its kernelspec is not {KERNELSPEC}"
    if set(notebook.metadata) - {"kernelspec", "language_info"} or set(
        notebook.metadata.get("language_info", {})
    ) - {"name"}:
        yield f"{where}: its metadata hold more than the kernel's name and language"
    code = [
        (i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()
    ]
    if code and not any(cell.outputs for _, cell in code):
        yield f"{where} has no outputs"
    for expected, (i, cell) in enumerate(code, 1):
        if cell.execution_count != expected:
            yield f"{where}, cell {i}: its execution count is {cell.execution_count}, expected {expected}: run it anew"
            break
    for i, cell in code:
        if set(cell.metadata) - {"tags"}:
            yield f"{where}, cell {i}: its metadata hold {sorted(set(cell.metadata) - {'tags'})}"
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
        if (
            kind in ("image/png", "image/jpeg")
            and not output.get("metadata", {}).get(kind, {}).get("alt", "").strip()
        ):
            yield f"a picture ({kind}) has no alt text: show it with chapter10.figures.show"
    if re.search(r"<img\b(?![^>]*\balt=)", "".join(data.get("text/html", ""))):
        yield "an <img> in its HTML has no alt text"
    said = json.dumps(
        [value for kind, value in data.items() if not kind.startswith("image/")], ensure_ascii=False
    )
    said += output.get("text", "") + output.get("evalue", "") + "\n".join(output.get("traceback", []))
    if match := MACHINE_PATH.search(said):
        yield f"it holds a path of the machine it ran on ({match[0]!r})"
    if match := ADDRESS_OF_OBJECT.search(said):
        yield f"it shows a bare object ({match[0]!r}): end the cell with a semicolon, or show what matters"
    if output.get("name") == "stderr" and re.search(r"\w*Warning\b", output.text):
        yield f"it shows a warning ({re.search(r'.*Warning.*', output.text)[0].strip()!r})"
