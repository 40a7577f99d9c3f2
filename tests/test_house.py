"""What holds of the repository as a whole: one list of dependencies, lines that run, nothing from one machine."""

import ast
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from chapter10 import authoring
from chapter10.authoring import chinese, generated, texts
from chapter10.language import LANGUAGES

ROOT = Path(__file__).resolve().parents[1]
TOP = {
    "README.md",
    "README.zh.md",
    "requirements.txt",
    "pyproject.toml",
    "LICENSE",
    "notebooks",
    "chapter10",
    "tests",
    "binder",
}


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("no git here: a downloaded copy")
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [Path(name) for name in listing.split("\0") if name and (ROOT / name).is_file()]


def readme_of(language: str) -> str:
    return generated.readme_path(language=language).read_text("utf-8")


def readme_block(name: str, language: str = "en") -> str:
    """The code between a README's markers <!-- name --> and <!-- /name -->."""
    match = re.search(rf"^<!-- {name} -->\n```\n(.*?)\n```\n<!-- /{name} -->$", readme_of(language), re.S | re.M)
    assert match, f"the README in {LANGUAGES[language]} has no block {name}"
    return match[1]


def is_there(folder: Path, target: str) -> bool:
    """Whether a link leads to a file. Of a notebook its text must be there: that it was run, authoring.problems sees to."""
    path = folder / target.partition("#")[0]
    return (path.parent / "text" / f"{path.stem}.md" if path.suffix == ".ipynb" else path).is_file()


def test_notebooks_texts_and_readme_are_in_order():
    assert authoring.problems() == []


def test_only_agreed_entries_stand_at_the_top():
    entries = {path.parts[0] for path in tracked()}
    assert {entry for entry in entries if not entry.startswith(".")} <= TOP


def test_nothing_names_a_folder_of_one_machine():
    private = re.compile(r"(?<![\w.:~$-])/(?:work|root|home|Users|mnt)/\w+")
    found = []
    for path in tracked():
        if path.suffix in {
            ".png",
            ".safetensors",
            ".npz",
            ".gz",
            ".ipynb",
            ".woff2",
            ".mo",
        }:  # authoring.problems reads the notebooks
            continue
        lines = (ROOT / path).read_text("utf-8").splitlines()
        found += [f"{path}:{i}: {line.strip()}" for i, line in enumerate(lines, 1) if private.search(line)]
    assert found == []


def requirements() -> dict[str, str]:
    lines = [line.split("#")[0].strip() for line in read("requirements.txt").splitlines()]
    matches = [re.fullmatch(r"([A-Za-z0-9_-]+)(.*)", line) for line in lines if line]
    assert all(matches)
    return {match[1].lower(): match[2] for match in matches if match}


def test_requirements_are_ranges_with_a_lower_bound():
    assert all(re.fullmatch(r">=[\d.]+(,<[\d.]+)?", bound) for bound in requirements().values()), (
        requirements()
    )
    assert 'dynamic = ["dependencies"]' in read("pyproject.toml")
    assert 'dynamic.dependencies = { file = ["requirements.txt"] }' in read("pyproject.toml")


def test_the_package_imports_only_what_requirements_bring():
    named = {"sklearn": "scikit-learn", "math_core": "math-core"}
    # by JupyterLab, jupytext and matplotlib
    brought = {"IPython", "jupyter_client", "markdown_it", "nbclient", "nbconvert", "nbformat", "PIL", "pygments"}
    allowed = set(requirements()) | brought | set(sys.stdlib_module_names) | {"chapter10"}
    strangers = set()
    for path in (ROOT / "chapter10").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            tops = {name.split(".")[0] for name in names}
            strangers |= {f"{path.name}: {top}" for top in tops if named.get(top, top) not in allowed}
    assert strangers == set()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("suffix", ["", "-windows"])
def test_the_readme_has_two_lines_and_each_is_one_line(suffix, language):
    for purpose, installed, end in [("read", ".", "notebooks/00_start_here.ipynb"), ("test", '".[test]"', "pytest")]:
        line = readme_block(purpose + suffix, language)
        assert line == readme_block(purpose + suffix) and "\n" not in line
        assert " -m venv .venv" in line and line.endswith(end)
        assert re.search(rf"pip install -e {re.escape(installed)}( &&|;) ", line)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_readme_links_to_files_that_are_there(language):
    targets = re.findall(r"\]\(([^)#]+)", readme_of(language))
    assert [target for target in targets if "://" not in target and not is_there(ROOT, target)] == []
    opened = re.findall(r"(?:blob/main|lab/tree)/([^)\s]+\.ipynb)\)", readme_of(language))
    first = texts.notebook_path("00_start_here", Path(), language).as_posix()
    assert opened == [first, first] and is_there(ROOT, first)
    rows = [texts.notebook_path(name, Path(), language).as_posix() for name in generated.CONTENTS]
    assert [target for target in targets if target.endswith(".ipynb") and "://" not in target] == rows
    others = {generated.readme_path(Path(), other).as_posix() for other in LANGUAGES if other != language}
    assert others <= set(targets)


def outline(page: str) -> list[int]:
    """The levels of a page's headings, in order."""
    return [len(marks) for marks in re.findall(r"(?m)^(#+) ", re.sub(r"(?ms)^```.*?^```", "", page))]


def sections(page: str) -> list[str]:
    return re.split(r"(?m)^## ", page)


def test_the_chinese_readme_has_the_same_sections_with_the_same_commands():
    ours, theirs = readme_of("zh"), readme_of("en")
    assert outline(ours) == outline(theirs)
    fenced = r"(?ms)^```.*?^```"
    for chinese_, english in zip(sections(ours), sections(theirs)):
        assert re.findall(fenced, chinese_) == re.findall(fenced, english)
        said, meant = (re.sub(fenced, "", section) for section in (chinese_, english))
        if not english.startswith("What is where"):  # which is shorter there, and sends to the English table
            assert set(re.findall(r"`[^`]+`", meant)) <= set(re.findall(r"`[^`]+`", said))
            assert len(re.findall(r"(?m)^\|", said)) == len(re.findall(r"(?m)^\|", meant))
            assert len(re.findall(r"(?m)^- ", said)) == len(re.findall(r"(?m)^- ", meant))
    named = set(re.findall(r"`(chapter10/[\w/.]+|tests/)`", sections(ours)[-2]))
    assert named and [name for name in named if not (ROOT / name).exists()] == []
    assert outline("# a\n\n```\n# no heading\n```\n\n## b\n") == [1, 2]


def test_the_chinese_readme_is_written_as_chinese_is():
    assert [*chinese.amiss(readme_of("zh")), *chinese.other_terms("", readme_of("zh"))] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_notebooks_link_to_notebooks_that_are_there(language):
    dead, folder = [], texts.folder(ROOT, language)
    for path in (folder / "text").glob("*.md"):
        targets = re.findall(r"\]\(([^)#:\s]+\.(?:ipynb|md|py))\)", path.read_text("utf-8"))
        dead += [f"{path.name}: {t}" for t in targets if not is_there(folder, t)]
    assert dead == []


def test_ci_and_the_workflow_call_the_readme_line():
    script = read(".ci/run")
    assert 'line="$(readme_line test)"' in script and 'bash -c "$line"' in script
    assert re.search(r"^ +run: \.ci/run$", read(".github/workflows/tests.yml"), re.M)
    if sys.platform == "win32":
        return
    function = re.search(r"^readme_line\(\) \{.*?^\}$", script, re.S | re.M)
    assert function
    for name in ["test", "test-windows"]:
        said = subprocess.run(
            ["bash", "-c", f"{function[0]}\nreadme_line {name}"], cwd=ROOT, capture_output=True, text=True
        )
        assert said.stdout == readme_block(name) + "\n"


def test_scripts_can_be_run():
    if sys.platform == "win32":
        pytest.skip("Windows has no executable bit")
    for name in [".ci/run", "binder/postBuild"]:
        assert (ROOT / name).stat().st_mode & 0o100, name
        subprocess.run(["bash", "-n", name], cwd=ROOT, check=True)


def test_the_workflow_tries_the_oldest_and_the_newest_python():
    oldest = re.search(r'requires-python = ">=([\d.]+)"', read("pyproject.toml"))
    said = re.search(r"Python (3\.\d+) to (3\.\d+) on", read("README.md"))
    assert oldest and said and oldest[1] == said[1]
    assert f"Python {said[1]} 到 {said[2]}；" in readme_of("zh")
    assert f'python: ["{said[1]}", "{said[2]}"]' in read(".github/workflows/tests.yml")


IMPORT = """
import sys, time, torch
start = time.perf_counter()
import chapter10
print(time.perf_counter() - start)
heavy = {"matplotlib", "torchvision", "sklearn", "IPython", "ipywidgets", "jupytext", "nbformat", "pytest"}
print(*sorted(heavy & sys.modules.keys()))
"""


def test_import_is_quick_and_brings_nothing_heavy():
    seconds: list[float] = []
    while len(seconds) < 5 and sum(s <= 0.1 for s in seconds) < 3:  # three of five decide the median
        said = subprocess.run(
            [sys.executable, "-c", IMPORT], cwd=ROOT, capture_output=True, text=True, check=True
        )
        spent, heavy = said.stdout.split("\n")[:2]
        assert heavy == ""
        seconds.append(float(spent))
    assert statistics.median(seconds) <= 0.1, seconds


def test_the_style_holds():
    # Of the rules in pyproject.toml those that stay the same from one ruff to the next.
    said = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--no-cache",
            "--output-format",
            "concise",
            "--select",
            "E,F,W,I",
            ".",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stdout
