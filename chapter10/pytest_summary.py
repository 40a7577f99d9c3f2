"""A pytest plugin: what ran, in a table a person can read, at the end of a run.

`pyproject.toml` loads it (`-p chapter10.pytest_summary`), since a conftest in tests/ would not see the
notebooks. Peak memory is given where the system tells it (Linux).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

FROM_END_TO_END = "02_elbo"


def peak_megabytes(pid: int) -> float | None:
    """The most memory that process `pid` has held so far, in MB, or None where /proc does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None


class Summary:
    """Counts tests and seconds by notebook; tests outside notebooks make one row."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.peaks: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = report.nodeid.split("::")[0]
        row = file if file.endswith(".ipynb") else "unit tests"
        self.seconds[row] += report.duration
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[row][report.outcome] += 1

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        kernel = getattr(item.parent, "kernel", None)  # nbval keeps one for each notebook
        if kernel is None:
            return
        pid = getattr(getattr(kernel.km, "provisioner", None), "pid", None)
        peak = peak_megabytes(pid) if pid else None
        if peak is not None:
            self.peaks[item.nodeid.split("::")[0]] = peak

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.outcomes:
            return
        write = terminalreporter.write_line
        rows = sorted(self.outcomes, key=lambda row: (row != "unit tests", row))
        width = max(len(row) for row in [*rows, "what ran"])
        terminalreporter.section("summary")
        write(f"{'what ran':<{width}}  {'cells or tests':>14}  {'seconds':>7}  {'peak MB':>7}  verdict")
        for row in rows:
            outcomes = self.outcomes[row]
            ran = sum(outcomes.values())
            peak = f"{self.peaks[row]:.0f}" if row in self.peaks else ""
            verdict = "ok" if not outcomes["failed"] else f"{outcomes['failed']} FAILED"
            if outcomes["skipped"]:
                verdict += f", {outcomes['skipped']} skipped"
            write(f"{row:<{width}}  {ran:>14}  {self.seconds[row]:>7.1f}  {peak:>7}  {verdict}")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Of an edition with the same code as the English one, one notebook is run from end to end, unless others are asked for by name."""
    if collection_path.suffix != ".ipynb" or collection_path.parent.parent != config.rootpath / "notebooks":
        return None
    named = any(Path(argument.split("::")[0]).resolve() == collection_path for argument in config.args)
    return None if named or collection_path.stem == FROM_END_TO_END else True


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Summary(), "chapter10-summary")
