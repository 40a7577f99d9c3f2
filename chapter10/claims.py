"""A claim states something, is held against a measurement, and fails when the measurement says otherwise.

`claim(...)` shows a box with the verdict, raises when the criterion is not met, and remembers: `evidence()` is the
table of all that was claimed in this kernel, the one thing that this module keeps.
"""

import html
import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from chapter10.environment import in_notebook
from chapter10.errors import ClaimFailed, InputError
from chapter10.language import noted, of_claim, say, sentences

CHAPTER = {
    "right": noted("The chapter is right here."),
    "partly": noted("The chapter is right in part."),
    "wrong": noted("The chapter needs a word here."),
}


@dataclass(frozen=True)
class Criterion:
    """What a measurement must fulfil, in words and as a test."""

    text: str
    holds: Callable[[float], bool]


def at_least(value: float) -> Criterion:
    return Criterion(say("at least {bound}", bound=number(value)), lambda m: m >= value)


def at_most(value: float) -> Criterion:
    return Criterion(say("at most {bound}", bound=number(value)), lambda m: m <= value)


def between(low: float, high: float) -> Criterion:
    text = say("between {low} and {high}", low=number(low), high=number(high))
    return Criterion(text, lambda m: low <= m <= high)


def close_to(value: float, tolerance: float) -> Criterion:
    text = say("{value} within {tolerance}", value=number(value), tolerance=number(tolerance))
    return Criterion(text, lambda m: abs(m - value) <= tolerance)


def number(value: float) -> str:
    """A number as a reader wants it: 4 digits that count, a true minus."""
    if value == 0:
        return "0"
    if not math.isfinite(value):
        text = f"{value}"
    elif 1e-3 <= abs(value) < 1e6:
        text = f"{value:.4g}" if abs(value) < 999.95 else f"{value:,.0f}"
    else:
        text = f"{value:.1e}"
    return text.replace("-", "−")


def box_style(colour: str) -> str:
    """The CSS of a box with a coloured edge, on a light ground or a dark one.

    The box only tints the ground that it lies on, and its text has the colour of the text around it, so that both of
    JupyterLab's themes, and a web page's, can be read. The edge must stand out from both grounds: see `EDGES`.
    """
    return f"border-left:6px solid {colour};background:rgba(127,127,127,.12);padding:8px 14px;margin:4px 0;max-width:46em;line-height:1.45"


# Colours of edges, each with a contrast of 3 and more to the tinted ground of a light and of a dark page.
EDGES = {"green": "#0a8f68", "red": "#d8453b", "grey": "#767b81", "brown": "#b06a00", "blue": "#4f7bc0"}


@dataclass(frozen=True)
class Verdict:
    """A claim after its measurement. `claim` shows it, as a box or as text; as a cell's last value it is not repeated."""

    statement: str
    section: str
    measured: float
    criterion: Criterion
    unit: str
    over: str
    chapter: str | None
    judged: bool

    @property
    def holds(self) -> bool:
        return math.isfinite(self.measured) and bool(self.criterion.holds(self.measured))

    @property
    def word(self) -> str:
        if not self.judged:
            return say("Shown, not judged")
        return say("Holds") if self.holds else say("Fails")

    @property
    def measurement(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        measured = f"{number(self.measured)}{unit}"
        if not self.over:
            return say("{measured}; asked: {asked}", measured=measured, asked=self.criterion.text)
        return say("{measured} ({over}); asked: {asked}", measured=measured, over=self.over, asked=self.criterion.text)

    def __repr__(self) -> str:
        return f"[{self.word}] {sentences(self.statement, self._evidence, self._chapter)}"

    @property
    def _evidence(self) -> str:
        return say("Measured: {measurement}. Section {section}.", measurement=self.measurement, section=self.section)

    @property
    def _chapter(self) -> str:
        """What it says of the chapter, if it does."""
        return say(CHAPTER[self.chapter]) if self.chapter and self.judged else ""

    def _ipython_display_(self) -> None:
        """Nothing: `claim` has shown the box already."""

    def html(self) -> str:
        mark, colour = ("✓", EDGES["green"]) if self.holds else ("✗", EDGES["red"])
        if not self.judged:
            mark, colour = "–", EDGES["grey"]
        chapter = f" <em>{html.escape(self._chapter)}</em>" if self._chapter else ""
        told, head = say("Claim: {word}", word=self.word.lower()), say("{word}.", word=self.word)
        return (
            f'<div role="note" aria-label="{html.escape(told)}" style="{box_style(colour)}">'
            f'<strong>{mark} {head}</strong> {html.escape(self.statement)}'
            f'<div style="margin-top:4px">{html.escape(self._evidence)}{chapter}</div></div>'
        )


_ledger: dict[str, Verdict] = {}


def claim(
    statement: str,
    measured: float | Tensor,
    criterion: Criterion,
    section: str,
    unit: str = "",
    over: str = "",
    chapter: str | None = None,
    judged: bool = True,
) -> Verdict:
    """Hold a statement against its measurement, show the verdict, and raise when it fails.

    Args:
        statement: a sentence that could turn out false.
        measured: the number that decides.
        criterion: `at_least`, `at_most`, `between` or `close_to`.
        section: of the chapter, such as "10.2.3".
        unit: of the measurement, such as "nats".
        over: what it was taken over, such as "5 seeds, 2,000 pairs".
        chapter: whether the chapter is "right", "partly" right or "wrong" here, if it says something about it. Of a
            wrong sentence the statement says what is so, and holds when the measurement shows it.
        judged: False shows the measurement without a verdict, as at the smoke scale.
    Raises:
        ClaimFailed: when the measurement is not finite or does not meet the criterion.
        InputError: when the measurement is no number, or `chapter` is not one of the three.
    """
    if chapter is not None and chapter not in CHAPTER:
        raise InputError(
            "chapter is {chapter!r}; give one of: {choices}, or None.",
            chapter=chapter,
            choices=', '.join(CHAPTER),
        )
    if not isinstance(criterion, Criterion):
        raise InputError(
            "The criterion is {criterion!r}; give at_least(…), at_most(…), between(…) or close_to(…).",
            criterion=criterion,
        )
    try:
        measured = float(measured.detach() if isinstance(measured, Tensor) else measured)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(
            "The measurement of a claim is one number, found {kind}.",
            kind=type(measured).__name__,
        ) from None
    section, unit, over = map(of_claim, (section, unit, over))
    verdict = Verdict(statement, section, measured, criterion, unit, over, chapter, judged)
    _ledger[statement] = verdict  # a cell run again replaces its entry
    _show(verdict)
    if judged and not verdict.holds:
        raise ClaimFailed(
            "{statement} Measured: {measurement}.",
            statement=statement,
            measurement=verdict.measurement,
        )
    return verdict


def _show(verdict: Verdict) -> None:
    if in_notebook():
        from IPython.display import display

        display({"text/html": verdict.html(), "text/plain": repr(verdict)}, raw=True)
    else:
        print(verdict)


class Evidence:
    """The table of the claims made so far."""

    def __init__(self, verdicts: list[Verdict]):
        self.verdicts = verdicts

    def __repr__(self) -> str:
        held = sum(v.holds for v in self.verdicts if v.judged)
        judged = sum(v.judged for v in self.verdicts)
        return "\n".join([say("{held} of {judged} claims hold.", held=held, judged=judged), *map(repr, self.verdicts)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><td style="text-align:left">{html.escape(v.section)}</td>'
            f'<td style="text-align:left;white-space:normal;max-width:32em">{html.escape(v.statement)}</td>'
            f'<td style="text-align:left;white-space:normal;max-width:18em">{html.escape(v.measurement)}</td>'
            f'<td style="text-align:left">{v.word}</td></tr>'
            for v in self.verdicts
        )
        names = (say("Section"), say("Claim"), say("Measured"), say("Verdict"))
        head = "".join(f'<th scope="col" style="text-align:left">{name}</th>' for name in names)
        caption = say("What was claimed and measured in this notebook")
        return (
            f'<table style="font-size:inherit"><caption style="text-align:left">{html.escape(caption)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def evidence() -> Evidence:
    """All claims of this kernel, in the order they were first made; it shows itself as a table."""
    return Evidence(list(_ledger.values()))
