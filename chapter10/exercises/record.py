"""What a reader has tried and solved: a file of lines, one an event, which survives the kernel and can be handed in.

Events are only ever added, each in one write, so several notebooks may be open at once, and an interruption costs the last
event at most.
"""

import json
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from chapter10.errors import DataError, InputError
from chapter10.exercises.judging import Verdict
from chapter10.exercises.task import Task
from chapter10.files import write_atomic
from chapter10.language import noted, say

FORMAT = "chapter10 answers 1"
VARIABLE = "CHAPTER10_PROGRESS"
LARGEST = 100_000  # characters of an answer's source


@dataclass
class Standing:
    """Where a reader stands with one task."""

    tries: int = 0
    hints: int = 0
    solved: bool = False
    solution_seen: bool = False  # before it was solved
    last: str = ""  # the last verdict's words
    source: str | None = None  # of the answer that solved it, else of the last one

    @property
    def word(self) -> str:
        """In English, as it is handed in; whoever shows it says it."""
        if self.solved:
            return noted("solved, after the solution") if self.solution_seen else noted("solved")
        return noted("solution seen") if self.solution_seen else noted("begun") if self.tries or self.hints else noted("open")


def path() -> Path:
    """The record's file: what CHAPTER10_PROGRESS names, else one in the reader's data folder."""
    import platformdirs

    if os.environ.get("NBGRADER_EXECUTION") == "autograde":
        return Path(os.devnull)  # these are students' checks, run by their teacher
    named = os.environ.get(VARIABLE)
    return Path(named) if named else platformdirs.user_data_path("chapter10") / "progress.jsonl"


class Record:
    """The events of one reader, on disk, and in memory where the disk can't be written."""

    def __init__(self, file: Path | None = None):
        self.file = path() if file is None else file
        self.kept: list[dict[str, Any]] = []  # what could not be written

    def add(self, **event: Any) -> str:
        """Add an event; returns a sentence where it could not be written, else "". """
        event = {**event, "when": datetime.now(timezone.utc).isoformat(timespec="seconds")}
        line = (json.dumps(event, ensure_ascii=False) + "\n").encode("utf-8", "replace")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with open(self.file, "ab+") as file:
                if file.tell() and not _ends_a_line(file):
                    line = b"\n" + line  # an earlier write was cut off: keep the damage to its line
                file.write(line)
        except OSError as error:
            self.kept.append(event)
            return say(
                "Your progress can't be saved in {file} ({error}): it lasts as long as this kernel. Set {variable} to a file that you "
                "may write.",
                file=self.file, error=error.strerror or error, variable=VARIABLE,
            )  # fmt: skip
        return ""

    def events(self) -> list[dict[str, Any]]:
        """All events that can be read, in order; a damaged line is left out. Raises DataError."""
        try:
            # a device, such as the null one, has nothing to tell, and may never come to an end
            text = self.file.read_text("utf-8", "replace") if self.file.is_file() or self.file.is_dir() else ""
        except OSError as error:
            raise DataError(
                "Your progress in {file} can't be read ({value}). Set {VARIABLE} to another file.",
                file=self.file,
                value=error.strerror or error,
                VARIABLE=VARIABLE,
            ) from None
        found = []
        for line in text.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue  # cut off by an interruption
            if isinstance(event, dict) and isinstance(event.get("task"), str):
                found.append(event)
        return found + self.kept

    def standings(self) -> dict[str, Standing]:
        """Of each task that was touched."""
        found: dict[str, Standing] = {}
        for event in self.events():
            standing = found.setdefault(event["task"], Standing())
            if event.get("event") == "hint":
                standing.hints = max(standing.hints, int(event.get("number", 1)))
            elif event.get("event") == "solution":
                standing.solution_seen |= not standing.solved
            elif event.get("event") == "check":
                standing.tries += 1
                right = event.get("kind") == "right"
                if right or not standing.solved:
                    standing.last, standing.source = event.get("text", ""), event.get("source")
                standing.solved |= right
        return found

    def last_task(self) -> str | None:
        """The task that was touched last."""
        events = self.events()
        return events[-1]["task"] if events else None


def _ends_a_line(file) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def check_event(verdict: Verdict, source: str | None) -> dict[str, Any]:
    source = source if source is None or len(source) <= LARGEST else None
    return {"event": "check", "task": verdict.task, "kind": verdict.kind, "mistake": verdict.mistake,
            "text": verdict.text, "source": source}  # fmt: skip


def hand_in(name: str, tasks: Iterable[Task], record: Record, file: str | os.PathLike | None = None) -> Path:
    """Write one small file with a reader's answers, to be handed in; returns where it is.

    It holds the source of each answer, which whoever marks it runs anew; the verdicts in it are for the reader's own eyes.

    Raises:
        InputError: without a name, or where nothing has been answered.
        SaveError: where the file can't be written.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError('hand_in needs your name, as your teacher knows it: hand_in("Li Hua").')
    standings, known = record.standings(), {task.name: task for task in tasks}
    answers = {
        task: {"source": s.source, "state": s.word, "tries": s.tries, "hints": s.hints}
        for task, s in sorted(standings.items()) if task in known and s.source
    }  # fmt: skip
    if not answers:
        raise InputError(
            "There is nothing to hand in yet: no answer is on record in {file}. Run the exercises' checks first.",
            file=record.file,
        )
    content = {
        "format": FORMAT,
        "student": name.strip(),
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "answers": answers,
    }
    word = re.sub(r"[^\w.-]+", "-", name.strip())  # letters of any script stay
    place = Path(f"answers-{word}.json" if file is None else file)
    write_atomic(place, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))
    return place
