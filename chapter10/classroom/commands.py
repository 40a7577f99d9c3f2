"""`python -m chapter10 classroom make|grade`."""

from __future__ import annotations

import argparse
import sys

from chapter10.language import LANGUAGES, chosen


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Hang `classroom` with its commands into a command line; each sets `run`, a function options -> exit code."""
    classroom = subparsers.add_parser("classroom", help="for teachers: notebooks for a class, and grading what comes back")
    commands = classroom.add_subparsers(title="commands", required=True, metavar="make|grade")
    _add_make(commands)
    _add_grade(commands)


def _add_make(commands) -> None:
    about = (
        "Write the teacher's notebooks (source/, with solutions) and the students' (students/, with stubs) of some notebooks' "
        "exercises, with nbgrader's metadata and a configuration for it: the folder can be used as an nbgrader course as it "
        "is. Exercises can be graded without nbgrader too, see `classroom grade`."
    )
    parser = commands.add_parser("make", help="write the students' and the teacher's notebooks", description=about)
    parser.add_argument("notebooks", nargs="+", metavar="NN", help="such as 04 or 04_vae")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where to; made if it isn't there")
    parser.add_argument("--exercises-only", action="store_true", help="the exercises and the code they need, without the reading")
    parser.add_argument("--language", choices=LANGUAGES, help="of the edition (default: CHAPTER10_LANGUAGE, else en)")
    parser.add_argument("--replace", action="store_true", help="write over files of other content (else nothing is written)")
    parser.set_defaults(run=_make)


def _make(options: argparse.Namespace) -> int:
    from chapter10.classroom import making

    language = options.language or chosen()
    for path in making.make(options.notebooks, options.out, options.exercises_only, options.replace, language=language):
        print(f"Written: {path}")
    return 0


def _add_grade(commands) -> None:
    about = (
        "Grade a folder of handed-in notebooks (*.ipynb) and files of hand_in() (answers-NAME.json). A student is a sub-folder, "
        "or a file that lies in the folder itself. Only the answers run, each submission in a process of its own with limits "
        "on time and memory; what can't be read, is missing, crashes or hangs becomes a row of the table and costs nobody else "
        "anything. A guard keeps code from other files, the network and other programs: Python's audit hook, and on Linux the "
        "kernel's Landlock. An answer can still tamper with its own verdict, and without Landlock the guard is no prison: grade "
        "strangers' work in a container or on a machine that holds nothing else."
    )
    parser = commands.add_parser("grade", help="grade a folder of handed-in notebooks into a CSV table", description=about)
    parser.add_argument("folder", metavar="FOLDER", help="what was handed in")
    parser.add_argument("--out", required=True, metavar="CSV", help="the table: a row for each student and task")
    parser.add_argument("--summary", metavar="CSV", help="a second table: a row for each student, points of each task and their sum")
    parser.add_argument("--notebooks", metavar="NN,NN", help="grade these (default: all that occur in what was handed in)")
    parser.add_argument("--seconds", type=float, default=60, help="the most that one task may take (default 60; at least twice the "
                        "task's own limit is given)")  # fmt: skip
    parser.add_argument("--memory", type=int, default=2000, metavar="MB", help="memory of one submission beyond what the package "
                        "itself needs (default 2000; has no effect on Windows and macOS)")  # fmt: skip
    parser.add_argument("--jobs", type=int, help="submissions graded side by side (default: one for each core)")
    parser.set_defaults(run=_grade)


def _grade(options: argparse.Namespace) -> int:
    from chapter10.classroom import grading

    def progress(done: int, of: int) -> None:
        if done % 10 == 0 or done == of:
            print(f"{done} of {of} graded", file=sys.stderr)

    notebooks = [word for word in options.notebooks.split(",") if word] if options.notebooks else None
    graded = grading.grade(
        options.folder, options.out, options.summary, notebooks, options.seconds, options.memory, options.jobs, progress
    )  # fmt: skip
    unread = sum(row.verdict in ("missing", "crash", "late", "fault") for row in graded.rows)
    print(f"{graded.files} files of {graded.students} students in {graded.seconds:.0f} s: {len(graded.rows)} rows, {unread} of them "
          f"missing, crashed or out of time. Written: {options.out}")  # fmt: skip
    if not graded.landlock:
        print("This kernel has no Landlock: only Python's audit hook kept submissions from other files.", file=sys.stderr)
    return 0
