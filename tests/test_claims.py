"""Claims: their criteria to the edge, what they show in a page, a terminal and a real kernel, and what they keep."""

import math
import re

import nbclient
import nbformat
import numpy
import pytest
import torch

from chapter10 import claims
from chapter10.claims import CHAPTER, at_least, at_most, between, claim, close_to, evidence, number
from chapter10.errors import ClaimFailed, InputError

SENTENCE = "Water boils at 100 degrees."


@pytest.fixture(autouse=True)
def own_ledger(monkeypatch):
    monkeypatch.setattr(claims, "_ledger", {})


def state(measured=1.0, criterion=None, statement=SENTENCE, **settings):
    return claim(statement, measured, criterion or at_least(0.5), "10.2.3", **settings)


# Criteria

OUT, IN = -math.inf, math.inf


@pytest.mark.parametrize(
    "criterion, edge, towards",  # the edge itself holds, and the last number before it does not
    [
        (at_least(0.1), 0.1, OUT),
        (at_least(-3.0), -3.0, OUT),
        (at_most(0.1), 0.1, IN),
        (between(0.1, 0.3), 0.1, OUT),
        (between(0.1, 0.3), 0.3, IN),
        (between(2.0, 2.0), 2.0, OUT),
        (close_to(2.0, 0.25), 1.75, OUT),
        (close_to(2.0, 0.25), 2.25, IN),
        (close_to(-1.0, 0.0), -1.0, IN),
    ],
)
def test_the_edge_of_a_criterion_belongs_to_it(criterion, edge, towards):
    assert state(edge, criterion).holds
    with pytest.raises(ClaimFailed):
        state(math.nextafter(edge, towards), criterion)


def test_inside_a_criterion():
    for criterion in (at_least(1), at_most(3), between(1, 3), close_to(2, 1)):
        assert state(2.0, criterion).holds


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("criterion", [at_least(0), at_most(0), between(-math.inf, math.inf), close_to(0, math.inf)])
def test_what_is_not_finite_fails(criterion, value):
    with pytest.raises(ClaimFailed):
        state(value, criterion)


@pytest.mark.parametrize(
    "one", [2, 2.0, True + 1, torch.tensor(2.0), torch.tensor(2), torch.tensor(2.0, requires_grad=True),
            numpy.float32(2), numpy.array(2.0), numpy.int64(2)]
)  # fmt: skip
@pytest.mark.filterwarnings("error")  # torch warns of a gradient that a number leaves behind
def test_a_measurement_is_any_one_number(one):
    verdict = state(one, close_to(2, 0))
    assert type(verdict.measured) is float and verdict.measured == 2


@pytest.mark.parametrize("many", [torch.tensor([1.0, 2.0]), numpy.array([1.0, 2.0]), [1.0], None, 1j, "two", torch.empty(0)])
def test_a_measurement_is_one_number(many):
    with pytest.raises(InputError, match=f"is one number, found {type(many).__name__}"):
        state(many)
    assert evidence().verdicts == []


def test_criterion_and_chapter_are_checked():
    with pytest.raises(InputError, match=r"criterion is 3; give at_least"):
        state(criterion=3)
    with pytest.raises(InputError, match="chapter is 'false'; give one of: right, partly, wrong"):
        state(chapter="false")


# What is raised and shown


def test_a_failed_claim_is_an_assertion_with_its_sentence(capsys):
    with pytest.raises(AssertionError) as caught:
        state(0.25, unit="nats", over="5 seeds")
    assert isinstance(caught.value, ClaimFailed)
    assert str(caught.value) == f"{SENTENCE} Measured: 0.25 nats (5 seeds); asked: at least 0.5."
    assert capsys.readouterr().out.startswith("[Fails] ")  # the box is there all the same


def test_a_claim_in_a_terminal_is_a_line(capsys):
    state(0.75, between(-1, 2000), unit="nats", over="5 seeds", chapter="wrong")
    assert capsys.readouterr().out == (
        f"[Holds] {SENTENCE} Measured: 0.75 nats (5 seeds); asked: between −1 and 2,000. Section 10.2.3. "
        "The chapter needs a word here.\n"
    )


@pytest.mark.parametrize("chapter", list(CHAPTER))
def test_what_is_said_of_the_chapter(chapter):
    verdict = state(chapter=chapter)
    for text in (repr(verdict), verdict.html()):
        assert [word for word in CHAPTER if CHAPTER[word] in text] == [chapter]
    assert not any(words in repr(state()) + state().html() for words in CHAPTER.values())


@pytest.mark.parametrize("value", [0.0, 1.0, math.nan])
def test_a_claim_not_judged_is_shown_alone(value, capsys):
    verdict = state(value, judged=False, chapter="right")
    assert verdict.word == "Shown, not judged" and capsys.readouterr().out.startswith("[Shown, not judged] ")
    page = verdict.html()
    assert CHAPTER["right"] not in repr(verdict)
    assert "Shown, not judged" in page and "Holds" not in page and "Fails" not in page and CHAPTER["right"] not in page


def test_the_box_escapes_what_it_shows():
    page = state(statement="<script>p < q & r</script>", unit="<b>", over="<i>").html()
    assert "&lt;script&gt;p &lt; q &amp; r&lt;/script&gt;" in page and "&lt;b&gt;" in page and "&lt;i&gt;" in page
    table = evidence()._repr_html_()
    for text in (page, table):
        assert not re.search("<(script|b|i)>", text)


def test_the_box_says_its_verdict_in_words_and_to_a_screen_reader():
    page = state().html()
    assert 'role="note"' in page and 'aria-label="Claim: holds"' in page and "Holds." in page
    assert SENTENCE in page and "Section 10.2.3" in page
    assert page.count("<div") == page.count("</div>")


# The ledger


def test_a_cell_run_again_replaces_its_claim_in_place(capsys):
    state(1.0, statement="A.")
    state(2.0, statement="B.")
    with pytest.raises(ClaimFailed):
        state(0.1, statement="A.")
    assert [(v.statement, v.measured) for v in evidence().verdicts] == [("A.", 0.1), ("B.", 2.0)]


def test_evidence_counts_what_was_judged():
    state(statement="A.")
    state(statement="B.", chapter="wrong")
    state(0.0, statement="C.", judged=False)
    state(1.0, statement="C, by chance.", judged=False)
    with pytest.raises(ClaimFailed):
        state(0.0, statement="D.")
    lines = repr(evidence()).splitlines()
    assert lines[0] == "2 of 3 claims hold."
    assert [line.split("]")[0][1:] for line in lines[1:]] == ["Holds", "Holds", *["Shown, not judged"] * 2, "Fails"]
    table = evidence()._repr_html_()
    assert table.count("<tr>") == 6 and table.count("Holds") == 2 and table.count("Fails") == 1
    assert table.count('scope="col"') == 4 and "<caption" in table


def test_evidence_of_nothing():
    assert repr(evidence()) == "0 of 0 claims hold."


# Numbers


@pytest.mark.parametrize(
    "value, text",
    [
        (0, "0"), (-0.0, "0"), (1, "1"), (-1.5, "−1.5"), (0.12345, "0.1235"), (99.994, "99.99"), (999.4, "999.4"),
        (999.96, "1,000"), (1000, "1,000"), (-1234.5678, "−1,235"), (123456.7, "123,457"), (0.001, "0.001"),
        (0.0009, "9.0e−04"), (-2.5e-7, "−2.5e−07"), (1e6, "1.0e+06"), (999_999.7, "1,000,000"), (-3e9, "−3.0e+09"),
        (math.inf, "inf"), (-math.inf, "−inf"), (math.nan, "nan"),
    ],
)  # fmt: skip
def test_numbers_are_written_for_a_reader(value, text):
    assert number(value) == text


# A real kernel


@pytest.fixture(scope="module")
def outputs():
    """Of cells run one after the other in a kernel: their outputs."""
    cells = [
        "from chapter10.claims import at_least, claim, evidence",
        "claim('A & B.', 2.0, at_least(1), '10.2', unit='nats')",
        "verdict = claim('C.', 2.0, at_least(1), '10.2')\nverdict",
        "claim('D.', 0.0, at_least(1), '10.2')",
        "evidence()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=60, allow_errors=True, kernel_name="python3").execute()
    return [cell.outputs for cell in notebook.cells]


@pytest.mark.parametrize("cell", [1, 2])
def test_a_kernel_shows_the_box_once(outputs, cell):
    [output] = outputs[cell]
    assert output.output_type == "display_data" and set(output.data) == {"text/html", "text/plain"}
    assert "✓ Holds." in output.data["text/html"] and output.data["text/plain"].startswith("[Holds] ")


def test_a_kernel_shows_a_failed_claim_and_one_sentence(outputs):
    box, error = outputs[3]
    assert "✗ Fails." in box.data["text/html"]
    assert error.ename == "ClaimFailed" and error.traceback == ["ClaimFailed: D. Measured: 0; asked: at least 1."]


def test_a_kernel_shows_the_evidence_as_a_table(outputs):
    [output] = outputs[4]
    assert "A &amp; B." in output.data["text/html"] and output.data["text/plain"].startswith("2 of 3 claims hold.")
