"""Bring a notebook in step with its text, run it, store its outputs and what was measured."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chapter10.authoring import editions
from chapter10.authoring.generated import fill, measured, results_path
from chapter10.authoring.outputs import amiss, clean
from chapter10.authoring.texts import ROOT, folder, measured_name, notebook_path, parse, text_path, write
from chapter10.errors import InputError
from chapter10.exercises.record import VARIABLE as PROGRESS
from chapter10.figures import AUTHORING
from chapter10.pytest_summary import peak_megabytes

if TYPE_CHECKING:
    from jupyter_client import AsyncKernelManager
    from nbclient import NotebookClient
    from nbformat import NotebookNode

CELL_SECONDS = 180  # as --nbval-cell-timeout in pyproject.toml


def with_outputs(notebook: NotebookNode, old: NotebookNode) -> NotebookNode:
    """`notebook` with the outputs that its code cells have in `old`, as long as no code cell changed before them.

    What comes after a changed cell may depend on it: it is left without outputs, until it is run again. The cell
    for Colab does nothing here, so it may change (with the repository's address).
    """
    before = iter([cell for cell in old.cells if cell.cell_type == "code"])
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        match = next(before, None)
        if match is None or (match.source != cell.source and "colab" not in cell.metadata.get("tags", [])):
            break
        cell.outputs, cell.execution_count = match.outputs, match.execution_count
    return notebook


def sync(name: str, root: Path = ROOT, language: str = "en") -> NotebookNode:
    """Bring text and notebook in step, from the text. Returns the notebook, with the outputs that are still good."""
    import nbformat

    text = filled(name, root, language)
    notebook = parse(text)
    path = notebook_path(name, root, language)
    if path.is_file():
        notebook = with_outputs(notebook, nbformat.read(path, as_version=4))
    write(path, dump(notebook))
    _write_last(text_path(name, root, language), text)
    return notebook


def _write_last(path: Path, text: str) -> None:
    """Write a notebook's text, or touch it: jupytext opens no notebook that is more recent than its text."""
    if not write(path, text):
        os.utime(path)


def filled(name: str, root: Path = ROOT, language: str = "en") -> str:
    """A notebook's text as it should be: `generated.fill`, and of another edition than the English with its code."""
    text = text_path(name, root, language).read_text("utf-8")
    if language != "en":
        text = editions.follow(text, text_path(name, root).read_text("utf-8"), language)
    return fill(text, name, root, language)


def dump(notebook: NotebookNode) -> str:
    import nbformat

    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def execute(notebook: NotebookNode, folder: Path, language: str = "en") -> tuple[float, float | None]:
    """Run a notebook in place, in a kernel of this very Python, which speaks that language where a cell names none.

    Returns (seconds, peak memory in MB or None).

    Raises nbclient's CellExecutionError or CellTimeoutError at the first cell that fails.
    """
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager
    from nbclient import NotebookClient

    # With no folder to search, the one kernel left is the interpreter that runs this.
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=CELL_SECONDS,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as empty:  # the exercises' table is a new reader's, not the author's
        environment = {**os.environ, PROGRESS: str(Path(empty) / "progress.jsonl"), AUTHORING: "1", "CHAPTER10_LANGUAGE": language}
        return _executed(client, manager, notebook, environment, start)


def _executed(
    client: NotebookClient, manager: AsyncKernelManager, notebook: NotebookNode, environment: dict[str, str], start: float
) -> tuple[float, float | None]:
    # The kernel's own log goes nowhere; what cells print to stderr comes as outputs.
    with client.setup_kernel(stderr=subprocess.DEVNULL, env=environment):
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
        seconds = time.perf_counter() - start
        pid = getattr(manager.provisioner, "pid", None)
        peak = peak_megabytes(pid) if pid else None
    return seconds, peak


def run(name: str, root: Path = ROOT, language: str = "en") -> dict[str, Any]:
    """Bring in step, run, clean, store: notebook, measures, and the times that follow from them.

    Returns the measures. Raises InputError when a cell fails, when an output holds what must not be kept, or when
    the text was edited meanwhile; everything is then left as it was.
    """
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    from chapter10.experiments import machine

    written = text_path(name, root, language).read_text("utf-8")
    text = filled(name, root, language)
    notebook = parse(text)
    try:
        seconds, peak = execute(notebook, folder(root, language), language)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        path = text_path(name, Path(), language).as_posix()
        raise InputError("{path} does not run: {error}\nNothing was changed.", path=path, error=error) from None
    clean(notebook, root)
    found = list(amiss(notebook, name))
    if found:
        raise InputError("The outputs can't be kept so; nothing was changed.\n{found}", found="\n".join(found))
    if text_path(name, root, language).read_text("utf-8") != written:
        path = text_path(name, Path(), language).as_posix()
        raise InputError("{path} was edited while it ran; nothing was changed. Run it again.", path=path)
    row = {
        "seconds": round(seconds, 1),
        "peak_mb": None if peak is None else round(peak),
        "code_cells": sum(cell.cell_type == "code" for cell in notebook.cells),
        "scale": os.environ.get("CHAPTER10_SCALE", "quick"),
        **machine(),
    }
    write(results_path(root), json.dumps({**measured(root), measured_name(name, language): row}, indent=1, sort_keys=True) + "\n")
    text = fill(text, name, root, language)  # now with the time just measured
    write(notebook_path(name, root, language), dump(with_outputs(parse(text), notebook)))
    _write_last(text_path(name, root, language), text)
    return row
