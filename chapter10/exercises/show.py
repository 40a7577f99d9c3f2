"""How hints, solutions and progress show themselves: as a box or a table in a notebook, as text elsewhere."""

import html
from dataclasses import dataclass

from chapter10.claims import EDGES, box_style
from chapter10.exercises.record import Standing
from chapter10.exercises.task import Task
from chapter10.language import say, sentences

BOX = box_style(EDGES["blue"])


def _notes(note: str) -> str:
    return f'<div style="margin-top:4px">{html.escape(note)}</div>' if note else ""


@dataclass(frozen=True)
class Hint:
    task: Task
    number: int
    note: str = ""

    @property
    def head(self) -> str:
        return say("Hint {number} of {count}", number=self.number, count=len(self.task.hints))

    def __repr__(self) -> str:
        return say("{head}: {text}", head=self.head, text=sentences(say(self.task.hints[self.number - 1]), self.note))

    def _repr_html_(self) -> str:
        words = html.escape(say(self.task.hints[self.number - 1]))
        head = say("{word}.", word=self.head)
        return f'<div role="note" style="{BOX}"><strong>{head}</strong> {words}{_notes(self.note)}</div>'


@dataclass(frozen=True)
class Solution:
    task: Task
    note: str = ""

    def __repr__(self) -> str:
        return "\n".join(part for part in (self.task.solution.strip(), say(self.task.why), self.note) if part)

    def _repr_html_(self) -> str:
        code = html.escape(self.task.solution.strip())
        head = say("A solution of {task}.", task=self.task.name)
        return (
            f'<div role="note" style="{BOX}"><strong>{html.escape(head)}</strong>'
            f'<pre style="background:none;color:inherit;margin:6px 0;overflow-x:auto">{code}</pre>'
            f"{html.escape(say(self.task.why))}{_notes(self.note)}</div>"
        )


@dataclass(frozen=True)
class Progress:
    tasks: list[Task]
    standings: dict[str, Standing]

    @property
    def solved(self) -> int:
        return sum(self._of(task).solved for task in self.tasks)

    def _of(self, task: Task) -> Standing:
        return self.standings.get(task.name, Standing())

    def _rows(self) -> list[tuple[str, str, str, str, str]]:
        rows = []
        for task in self.tasks:
            standing = self._of(task)
            minutes = say("{minutes} min", minutes=task.minutes)
            rows.append((task.name, say(task.title), minutes, say(standing.word), f"{standing.tries} / {standing.hints}"))
        return rows

    def __repr__(self) -> str:
        lines = [say("{solved} of {count} solved.", solved=self.solved, count=len(self.tasks))]
        lines += [f"{name:<20} {title:<40} {minutes:>7}  {word:<26} {tries}" for name, title, minutes, word, tries in self._rows()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        heads = (say("Task"), "", say("Time"), say("State"), say("Tries / hints"))
        head = "".join(f'<th scope="col" style="text-align:left">{name}</th>' for name in heads)
        body = "".join(
            "<tr>" + "".join(f'<td style="text-align:left">{html.escape(cell)}</td>' for cell in row) + "</tr>" for row in self._rows()
        )
        caption = say("{solved} of {count} exercises solved", solved=self.solved, count=len(self.tasks))
        return (
            f'<table style="font-size:inherit"><caption style="text-align:left">{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )
