"""The teachers' page keeps step with the notebooks: its plans, the parts that it names, the numbers that it quotes."""

import argparse
import dataclasses
import html
import json
import re
import shlex
import shutil
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from chapter10 import authoring, classroom, exercises
from chapter10.authoring import chinese, generated, texts
from chapter10.classroom import lane, making, table
from chapter10.environment import SCALES
from chapter10.exercises.task import names
from chapter10.language import LANGUAGES

ROOT = Path(__file__).resolve().parents[1]
PAGES = {language: generated.teachers_path(language=language).read_text("utf-8") for language in LANGUAGES}
PAGE = PAGES["en"]
NAMES = list(generated.CONTENTS)
BET = re.compile(r"\*\*(?:Predict|Bet|Before you go on)\b")
PLACES = re.compile(r"\b[Pp]arts? (\d+(?:\.\d+)?(?:(?:,| and| to) \d+(?:\.\d+)?)*)")
# What a sentence points at is no quotation: parts, exercises, notebooks, sections of the chapter.
POINTERS = re.compile(
    r"`\d\d-[a-z-]+`|\b(?:parts?|exercises?|notebooks?|sections?) \d+(?:\.\d+)*(?:(?:,| and| to) \d+(?:\.\d+)*)*",
    re.I,
)
NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?:[ \u202f]?%)?")


def numbers(text: str) -> set[str]:
    """The numbers in a text, each in one way of writing: 1,000 as 1000, 84 % as 84%."""
    return {re.sub(r"[, \u202f]", "", found) for found in NUMBER.findall(text)}


def places(text: str) -> list[str]:
    """Parts that a text names: "parts 2 and 7.1" are 2 and 7.1."""
    return [place for found in PLACES.findall(text) for place in re.findall(r"\d+(?:\.\d+)?", found)]


def page_sections(page: str) -> dict[str, tuple[str, str]]:
    """Name of a notebook -> the title and the text of its section of the page."""
    found = re.split(r"(?m)^## (\d\d · .+)$", page)
    sections = dict(zip(found[1::2], found[2::2]))
    names = {name[:2]: name for name in NAMES}
    return {names[title[:2]]: (title, re.split(r"(?m)^## ", text)[0]) for title, text in sections.items()}


def shown(output: dict) -> str:
    """What a reader sees of a cell's output: its text, and the words of its pictures; not a live figure's numbers."""
    data, said = output.get("data", {}), ["".join(output.get("text", ""))]
    said += ["".join(data.get(kind, "")) for kind in ("text/markdown", "text/plain")]
    page = re.sub(r"<(script|style)\b.*?</\1>", "", "".join(data.get("text/html", "")), flags=re.S)
    said += [html.unescape(re.sub(r"<[^>]+>", " ", page))]
    said += [html.unescape(alt) for alt in re.findall(r'alt="([^"]*)"', page)]
    said += [kind.get("alt", "") for kind in output.get("metadata", {}).values() if isinstance(kind, dict)]
    return "\n".join(said)


@cache
def parts_of(name: str) -> dict[str, str]:
    """Part -> its text and outputs, in a notebook; 3 holds 3.1 as well. Before them "opening", after them "end"."""
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8"))
    parts, here = {"opening": ""}, ["opening"]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            lines = [shown(output) for output in cell["outputs"]]
        else:
            lines = "".join(cell["source"]).split("\n")
        for line in lines:
            heading = (
                re.match(r"(##+) (?:(\d+(?:\.\d+)?)\.? )?", line) if cell["cell_type"] == "markdown" else None
            )
            if heading and heading[2]:
                here = [heading[2].split(".")[0], heading[2]] if "." in heading[2] else [heading[2]]
            elif heading and heading[1] == "##" and here != ["opening"]:
                here = ["end"]
            for part in here:
                parts[part] = parts.get(part, "") + line + "\n"
    return parts


def top_parts(name: str) -> dict[str, str]:
    return {part: text for part, text in parts_of(name).items() if "." not in part}


@cache
def exercises_of(name: str) -> set[str]:
    """The names of a notebook's exercises, as its cells say them: "02-kl"."""
    text = (ROOT / "notebooks" / "text" / f"{name}.md").read_text("utf-8")
    return set(re.findall(r"""check\("(\d\d-[a-z-]+)",""", text))


def plan_of(text: str) -> list[list[str]]:
    """The rows of a section's plan: minutes, what happens, where, how."""
    table = re.search(
        r"(?m)^\| minutes \| what happens \| where \| how \|\n\|[-:| ]+\|\n((?:\|.*\|\n)+)", text
    )
    assert table, "no plan"
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[1].splitlines()]


def without_plan(text: str) -> str:
    return re.sub(r"(?m)^\|.*\n", "", text)


def answers_of(text: str) -> list[tuple[str, str]]:
    """(opening or the part, the answer) for each bet that a section answers."""
    after = text.split("**Answers to the bets**")[1]
    return re.findall(r"(?m)^- (?:part )?(opening|\d+(?:\.\d+)?): (.+)$", after)


def strangers(name: str, text: str) -> list[str]:
    """Numbers in a section that are not where it says: in the parts that the line names, or else in the notebook."""
    parts, found = parts_of(name), []
    whole = numbers("\n".join(top_parts(name).values()))
    for line in without_plan(text).splitlines():
        named = places(line) + ["opening"] * line.startswith("- opening:")
        known = numbers("\n".join(parts[place] for place in named)) if places(line) else whole
        found += [f"{number} in: {line}" for number in numbers(POINTERS.sub("", line)) - known]
    return found


def test_each_notebook_has_a_section_under_its_own_title_in_order():
    sections = page_sections(PAGE)
    assert list(sections) == NAMES
    for name, (title, text) in sections.items():
        first = (ROOT / "notebooks" / "text" / f"{name}.md").read_text("utf-8")
        assert re.search(r"(?m)^# (.+)$", first)[1] == title
        of_chapter = re.match(rf"\s*\[{name}\]\({name}\.ipynb\), (.+?)\. ", text)
        assert of_chapter and re.findall(r"\d[\d.]*\d", of_chapter[1]) == re.findall(
            r"\d[\d.]*\d", generated.CONTENTS[name]["en"][0]
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_fills_45_minutes_and_leads_to_what_is_there(name):
    rows = plan_of(page_sections(PAGE)[name][1])
    assert sum(int(minutes) for minutes, *_ in rows) == 45 and all(int(minutes) > 0 for minutes, *_ in rows)
    assert {how for *_, how in rows} <= {"run", "show", "talk"} and "run" in {how for *_, how in rows}
    there = {"opening", *(f"part {part}" for part in parts_of(name) if part[0].isdigit())}
    there |= {f"`{exercise}`" for exercise in exercises_of(name)}
    assert {place for *_, where, _ in rows for place in where.split(", ")} <= there


@pytest.mark.parametrize("name", NAMES)
def test_parts_and_exercises_that_a_section_names_are_there(name):
    text = page_sections(PAGE)[name][1]
    assert set(places(text)) <= set(parts_of(name))
    assert set(re.findall(r"`(\d\d-[a-z-]+)`", text)) <= exercises_of(name)
    assert not re.search(r"\bexercises? \d", text, re.I), "exercises are named: their numbers change"


@pytest.mark.parametrize("name", NAMES)
def test_each_section_has_what_a_lesson_needs(name):
    text = page_sections(PAGE)[name][1]
    for heading, least, most in [
        ("**Afterwards a student can**", 2, 4),
        ("**What students get wrong**", 4, 9),
        ("**Ask aloud**", 3, 5),
    ]:
        listed = re.search(rf"{re.escape(heading)}\n\n((?:- .+\n)+)", text)
        assert listed and least <= len(listed[1].splitlines()) <= most, heading
        if heading == "**Ask aloud**":
            assert all(re.fullmatch(r"- .+\? \*.+\*", line) for line in listed[1].splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_every_bet_of_a_notebook_is_answered_in_its_part(name):
    given = [place.split(".")[0] for place, _ in answers_of(page_sections(PAGE)[name][1])]
    asked = {part: len(BET.findall(text)) for part, text in top_parts(name).items() if part != "end"}
    missing = {
        part: count for part, count in asked.items() if part != "opening" and given.count(part) < count
    }
    assert not missing and "opening" in given
    assert set(given) <= set(asked)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_that_are_quoted_stand_in_the_notebook(name):
    assert strangers(name, page_sections(PAGE)[name][1]) == []


def test_a_number_from_elsewhere_a_wrong_part_and_a_lost_bet_would_be_found():
    name = "01_autoencoder_or_vae"
    text = page_sections(PAGE)[name][1]
    assert "0.77 against 0.68" in text
    assert strangers(name, text.replace("0.77", "0.78"))
    moved = text.replace(
        "- part 3: the autoencoder has the higher rate", "- part 1: the autoencoder has the higher rate"
    )
    assert moved != text and strangers(name, moved)
    assert numbers("1,000 of 84 % or 84%, not L2, and −0.5") == {"1000", "84%", "0.5"}
    assert places("Parts 4 and 6.1, and part 7") == ["4", "6.1", "7"]
    notebook = {"data": {"text/html": '<p>12</p><script>var a = 34;</script><img alt="56">'}}
    assert numbers(shown(notebook)) == {"12", "56"}  # not the numbers that a live figure carries


def blocks(page: str) -> list[str]:
    """A page in pieces: a heading, a paragraph, an item of a list, a row of a table, a block of code; not the links to a hub."""
    pieces, fenced = [[]], False
    for line in re.sub(r"(?ms)^<!-- hub -->.*^<!-- /hub -->$", "", page).splitlines():
        if not fenced and (not line.strip() or re.match(r"#+ |- |\||```", line)):
            pieces.append([])
        fenced ^= line.startswith("```")
        pieces[-1].append(line)
    return [piece for piece in map("\n".join, pieces) if piece.strip()]


def test_the_chinese_page_says_the_same_piece_by_piece():
    words = {  # of which each stands for one in the other language, wherever it is a whole cell or a line of its own
        **{"minutes": "分钟", "what happens": "做什么", "where": "哪里", "how": "方式"},
        **{"opening": "开头", "run": "运行", "show": "展示", "talk": "讨论", "lesson": "课次", "notebook": "笔记本", "also": "另外"},
        **{"**What students get wrong**": "**学生会在哪里出错**", "**Ask aloud**": "**课上可以问**"},
        **{"**Answers to the bets**": "**先猜的答案**"},
    }
    ours, theirs = blocks(PAGES["zh"]), blocks(PAGE)
    assert len(ours) == len(theirs)
    for here, there in zip(ours, theirs):
        assert re.match(r"#*|-|\|", here)[0] == re.match(r"#*|-|\|", there)[0], here
        assert numbers(here) == numbers(there), here
        for kept in (r"`[^`]+`", r"\]\((\w+\.ipynb|https?://[^)]+)\)"):
            assert re.findall(kept, here) == re.findall(kept, there), here
        if there.startswith("```"):
            assert here == there
        cells = [[cell.strip() for cell in piece.split("|")] for piece in (here, there)]
        assert len(cells[0]) == len(cells[1]) or not there.startswith("|"), here
        for cell, english in zip(*cells) if there.startswith("|") else [(here.strip(), there.strip())]:
            if english in words:
                assert cell == words[english], here
            for place in re.findall(r"part (\d+(?:\.\d+)?)", english):
                assert re.search(rf"第 [\d.、]*\b{re.escape(place)}\b", cell), here


def test_the_chinese_page_is_written_as_chinese_is_with_its_terms_and_the_notebooks_titles():
    assert list(chinese.amiss(PAGES["zh"])) == []
    titles = dict(zip(NAMES, re.findall(r"(?m)^## (\d\d · .+)$", PAGES["zh"])))
    for name in NAMES:
        text = texts.text_path(name, language="zh").read_text("utf-8")
        assert re.search(r"(?m)^# (.+)$", text)[1] == titles[name]
    found = []
    for here, there in zip(blocks(PAGES["zh"]), blocks(PAGE)):
        if not re.match(r"## \d\d", there):
            found += chinese.other_terms(re.sub(r"`[^`]+`", "", there), here)
    assert found == []


def test_a_piece_that_was_changed_in_one_language_only_would_be_found():
    english = "# A\n\nOne line\nand another.\n\n- an item\n- 3 more\n\n| a | b |\n\n```\n- no item\n\n```\n<!-- hub -->\nx\n<!-- /hub -->\n"
    pieces = ["# A", "\nOne line\nand another.", "- an item", "- 3 more", "| a | b |", "```\n- no item\n\n```"]
    assert [piece.strip() for piece in blocks(english)] == [piece.strip() for piece in pieces]
    assert numbers("- 另外 4 个") != numbers("- 3 more")


@pytest.mark.parametrize("language", LANGUAGES)
def test_links_lead_to_files(language):
    folder = generated.teachers_path(language=language).parent
    local = [target for target in re.findall(r"\]\(([^)]+)\)", PAGES[language]) if "://" not in target]
    # that each text has its notebook, authoring.problems sees to
    files = [f"text/{target.removesuffix('.ipynb')}.md" if target.endswith(".ipynb") else target for target in local]
    assert [target for target in files if not (folder / target).is_file()] == []
    for other in LANGUAGES.keys() - {language}:
        assert any((folder / target).resolve() == generated.teachers_path(language=other) for target in local)


def test_courses_have_as_many_lessons_as_they_say_and_name_what_is_there():
    numbers_said = {"Four": 4, "Six": 6, "Twelve": 12}
    short = {name[:2]: name for name in NAMES}
    courses = re.findall(r"(?m)^\*\*(\w+) lessons\*\*.*\n\n\| lesson .*\n\|[-:| ]+\|\n((?:\|.*\|\n)+)", PAGE)
    assert [word for word, _ in courses] == list(numbers_said)
    for word, lessons in courses:
        rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in lessons.splitlines()]
        assert [int(lesson) for lesson, *_ in rows] == list(range(1, numbers_said[word] + 1))
        chosen = [re.fullmatch(r"\[(\w+)\]\(\1\.ipynb\)", notebook)[1] for _, notebook, _ in rows]
        assert chosen == sorted(set(chosen)) and set(chosen) <= set(NAMES)
        for name, also in zip(chosen, (also for *_, also in rows)):
            others = re.findall(r"\b(\d\d)\b", also)
            assert all(number in short for number in others), also
            where = short[others[0]] if others else name
            assert set(places(also)) <= set(parts_of(where)), also
        also = " ".join(row[2] for row in rows)
        assert word != "Twelve" or set(NAMES) <= {*chosen, *(short[n] for n in re.findall(r"\b\d\d\b", also))}


def test_the_budget_and_the_scales_are_those_of_the_project():
    assert f"less than {authoring.MAX_SECONDS} s and {authoring.MAX_MEGABYTES / 1000:g} GB" in PAGE
    named = set(re.findall(r"CHAPTER10_SCALE=(\w+)", PAGE)) | {"quick"}
    assert named == {"smoke", "quick"} and named <= set(SCALES)
    used = "\n".join(path.read_text("utf-8") for path in (ROOT / "chapter10").glob("*.py"))
    assert all(f'"{variable}"' in used for variable in re.findall(r"\bCHAPTER10_[A-Z]+\b", PAGE))


def hub_links(page: str) -> list[str]:
    return re.findall(r"(?m)^https://HUB/.+$", page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_links_to_a_hub_copy_this_repository_and_open_a_notebook(language):
    folder, opened = generated.repository().rsplit("/", 1)[1], []
    for link in hub_links(PAGES[language]):
        found = urlsplit(link)
        assert found.path == "/hub/user-redirect/git-pull"
        query = parse_qs(found.query, strict_parsing=True)
        assert query["repo"] == [generated.repository()] and query["branch"] == ["main"]
        opened += [re.fullmatch(rf"lab/tree/{folder}/(notebooks/[\w/]+\.ipynb)", query["urlpath"][0])[1]]
    assert opened == [texts.notebook_path(name, Path(), language).as_posix() for name in NAMES]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_new_address_reaches_the_links_to_a_hub(tmp_path, language):
    page, text = generated.teachers_path(Path(), language), texts.text_path(NAMES[0], Path(), language)
    for name in [Path("README.md"), Path("pyproject.toml"), page, text]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    pyproject = tmp_path / "pyproject.toml"
    new = pyproject.read_text("utf-8").replace(generated.repository(), "https://github.com/someone/elsewhere")
    pyproject.write_text(new, "utf-8")
    stale = f"{page.as_posix()}: links to a hub are not as generated"
    assert any(stale in problem for problem in authoring.problems(tmp_path))
    (tmp_path / page).write_text(generated.teachers(tmp_path, language), "utf-8")
    assert not any(stale in problem for problem in authoring.problems(tmp_path))
    [link] = hub_links((tmp_path / page).read_text("utf-8"))
    query = parse_qs(urlsplit(link).query)
    assert query["repo"] == ["https://github.com/someone/elsewhere"]
    opened = texts.notebook_path(NAMES[0], Path(), language).as_posix()
    assert query["urlpath"] == [f"lab/tree/elsewhere/{opened}"]


@pytest.mark.parametrize("language, heading", [("en", "## For teachers"), ("zh", "## 给教师")])
def test_the_readme_sends_teachers_here(language, heading):
    chapter = generated.readme_path(language=language).read_text("utf-8").split(heading)[1].split("\n## ")[0]
    assert f"({generated.teachers_path(Path(), language).as_posix()})" in chapter


GRADING = PAGE.split("\n## Setting and grading the exercises\n")[1]


def rows_of(heading: str) -> list[str]:
    """What stands in backticks in the first column of a table of the section on grading."""
    body = re.search(rf"(?m)^{re.escape(heading)}\n\|[-:| ]+\|\n((?:\|.*\|\n)+)", GRADING)[1]
    return [word for row in body.splitlines() for word in re.findall(r"`([^`]+)`", row.split("|")[1])]


def commands(start: str) -> list[list[str]]:
    """Lines of the section's code that begin so, without that beginning, as a shell splits them."""
    lines = [
        line for block in re.findall(r"(?s)^```\n(.*?)^```", GRADING, re.M) for line in block.splitlines()
    ]
    return [shlex.split(line.removeprefix(start)) for line in lines if line.startswith(start)]


def test_the_commands_for_a_class_are_the_projects():
    parser = argparse.ArgumentParser()
    classroom.add_parser(parser.add_subparsers())
    given = commands("python -m chapter10 ")
    assert [words[1] for words in given] == ["make", "grade"]
    for words in given:
        assert callable(parser.parse_args(words).run)
    for option in set(re.findall(r"`(--[a-z-]+)", GRADING)):
        of_grade = {"--notebooks": ["02"], "--seconds": ["9"], "--memory": ["9"], "--jobs": ["1"]}
        value = {**of_grade, "--language": ["zh"]}.get(option, [])
        words = given[1] if option in of_grade else given[0]
        parser.parse_args([*words, option, *value])
    assert {name for name in re.findall(r"`(\w+)\(", GRADING)} - {"exit"} <= set(exercises.__all__)


def test_nbgrader_has_the_commands_that_are_named():
    app = pytest.importorskip("nbgrader.apps.nbgraderapp", reason="nbgrader comes with the extra [test]")
    named = {words[0] for words in commands("nbgrader ")}
    assert len(named) == 6 and named <= set(app.NbGraderApp.subcommands)


def test_the_tables_of_grading_are_what_is_written(tmp_path):
    assert rows_of("| column | |") == [field.name for field in dataclasses.fields(table.Row)]
    assert set(rows_of("| verdict | means |")) == lane.KINDS | {"crash"}
    making.make(["02"], tmp_path)
    assert [path for path in rows_of("| in the folder `course` | |") if not (tmp_path / path).is_file()] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_exercises_named_on_the_page_are_there(language):
    assert set(re.findall(r"[`\"](\d\d-[a-z-]+)[`\"]", PAGES[language])) <= set(names())
