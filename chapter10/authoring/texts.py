"""Where notebooks and their texts lie, and how the one is read from the other."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from chapter10.authoring.outputs import KERNELSPEC
from chapter10.errors import InputError
from chapter10.files import write_atomic

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]


def names(wanted: list[str] | None = None, root: Path = ROOT, language: str = "en") -> list[str]:
    """Names of the notebooks that have a text in that language, in order; with `wanted` ("04" or "04_vae"), only those.

    Raises InputError outside a clone of the repository, or where nothing has a wanted name.
    """
    texts = text_path("", root, language).parent
    if not (root / "notebooks").is_dir():
        raise InputError(
            "There is no folder notebooks in {root}. These commands need a clone of the repository, installed with "
            "`pip install -e .`.",
            root=root,
        )  # fmt: skip
    found = sorted(path.stem for path in texts.glob("[0-9][0-9]_*.md"))
    if not wanted:
        return found
    chosen = [name for name in found if any(name == word or name.startswith(f"{word}_") for word in wanted)]
    missing = [
        word for word in wanted if not any(name == word or name.startswith(f"{word}_") for name in found)
    ]
    if missing:
        raise InputError(
            "No notebook is called {missing!r}. There are: {value}.",
            missing=missing[0],
            value=', '.join(found) or 'none yet',
        )
    return chosen


def folder(root: Path = ROOT, language: str = "en") -> Path:
    """Of an edition's notebooks: the English one's in the middle, each other's in a folder of its name."""
    return root / "notebooks" if language == "en" else root / "notebooks" / language


def notebook_path(name: str, root: Path = ROOT, language: str = "en") -> Path:
    return folder(root, language) / f"{name}.ipynb"


def text_path(name: str, root: Path = ROOT, language: str = "en") -> Path:
    return folder(root, language) / "text" / f"{name}.md"


def measured_name(name: str, language: str = "en") -> str:
    """Under which name a notebook's measures are kept."""
    return name if language == "en" else f"{language}/{name}"


def write(path: Path, text: str) -> bool:
    """Write a file whose content changed; says whether it did."""
    if path.is_file() and path.read_text("utf-8") == text:
        return False
    write_atomic(path, text.encode("utf-8"))
    return True


def parse(text: str) -> NotebookNode:
    """The notebook, without outputs, that a MyST text holds. Cell ids follow from the content, so that they last."""
    import jupytext

    notebook = jupytext.reads(text, fmt="md:myst")
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata.clear()
    notebook.metadata.update({"kernelspec": dict(KERNELSPEC), "language_info": {"name": "python"}})
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha1(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:10]
        seen[digest] = seen.get(digest, 0) + 1
        cell["id"] = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    return notebook


def unparse(notebook: NotebookNode) -> str:
    """The MyST text of a notebook."""
    import jupytext
    import nbformat

    bare = nbformat.v4.new_notebook(cells=notebook.cells, metadata={"kernelspec": dict(KERNELSPEC)})
    text = jupytext.writes(bare, fmt="md:myst")
    return re.sub(r"^ +jupytext_version: .*\n", "", text, count=1, flags=re.M)  # it changes with each release
