"""The authors' commands, tried on a small repository of their own."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from chapter10 import authoring
from chapter10.authoring import generated, outputs, running, texts
from chapter10.errors import InputError
from chapter10.language import LANGUAGES

ROOT = Path(__file__).resolve().parents[1]
TEXT = """# 02 · A title

It takes about N s.

```{code-cell}
import os
print("one", os.path.abspath(".."))
```

```{code-cell}
:tags: [raises-exception]

1 / 0
```

```{code-cell}
print("three")
```
"""


@pytest.fixture
def root(tmp_path):
    """A repository with one notebook text, 02_elbo."""
    for name in ["README.md", "README.zh.md", "pyproject.toml"]:
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "notebooks" / "text").mkdir(parents=True)
    texts.text_path("02_elbo", tmp_path).write_text(TEXT, "utf-8")
    return tmp_path


def printed(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


def finish(root):
    for language in LANGUAGES:
        generated.readme_path(root, language).write_text(generated.readme(root, language), "utf-8")


def test_run_leaves_everything_in_order(root):
    row = running.run("02_elbo", root)
    finish(root)
    assert authoring.problems(root) == []
    assert 0 < row["seconds"] < 60 and row["code_cells"] == 4
    notebook = nbformat.read(texts.notebook_path("02_elbo", root), as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4]
    assert "google.colab" in code[0].source and printed(code[1]) == "one .\n"  # its folder is not told
    seconds = generated.rounded(row["seconds"])
    assert f"about {seconds} s" in notebook.cells[0].source
    assert (
        f"(notebooks/02_elbo.ipynb) | 10.2.3 | {generated.CONTENTS['02_elbo']['en'][1]} | {seconds} s |"
        in generated.readme(root)
    )

    # Running again or bringing in step again changes nothing but the measures.
    before = texts.text_path("02_elbo", root).read_text("utf-8")
    assert generated.fill(before, "02_elbo", root) == before
    again = running.sync("02_elbo", root)
    assert again == notebook and authoring.problems(root) == []
    # or jupytext would not open the notebook
    assert texts.text_path("02_elbo", root).stat().st_mtime >= texts.notebook_path("02_elbo", root).stat().st_mtime


def test_check_finds_what_is_out_of_step(root):
    running.run("02_elbo", root)
    finish(root)
    path = texts.text_path("02_elbo", root)
    text = path.read_text("utf-8")

    path.write_text(text.replace('print("three")', 'print("four")'), "utf-8")
    assert any("out of step" in problem for problem in authoring.problems(root))
    notebook = running.sync(
        "02_elbo", root
    )  # cells before the change keep their outputs, the changed one loses them
    assert [bool(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"] == [
        False,
        True,
        True,
        False,
    ]
    assert any("execution count" in problem for problem in authoring.problems(root))

    path.write_text(text.replace("about", "roughly"), "utf-8")
    assert any("how long it takes" in problem for problem in _after_sync(root))
    path.rename(path.with_name("99_other.md"))
    found = "\n".join(authoring.problems(root))
    assert (
        "99_other.md has no notebook:" in found
        and "02_elbo.ipynb has no text" in found
        and "CONTENTS" in found
    )


def _after_sync(root):
    running.sync("02_elbo", root)
    return authoring.problems(root)


def test_a_cell_that_fails_changes_nothing(root):
    running.run("02_elbo", root)
    path = texts.text_path("02_elbo", root)
    path.write_text(path.read_text("utf-8") + '\n```{code-cell}\nraise KeyError("lost")\n```\n', "utf-8")
    files = [texts.notebook_path("02_elbo", root), path, generated.results_path(root)]
    before = [file.read_bytes() for file in files]
    with pytest.raises(InputError, match="lost"):
        running.run("02_elbo", root)
    assert [file.read_bytes() for file in files] == before


def test_an_edit_made_during_a_run_is_not_lost(root):
    path = texts.text_path("02_elbo", root)
    edit = "\n```{code-cell}\nopen('text/02_elbo.md', 'a').write('\\nAn afterthought.\\n');\n```\n"
    path.write_text(path.read_text("utf-8") + edit, "utf-8")
    with pytest.raises(InputError, match="edited while it ran"):
        running.run("02_elbo", root)
    assert path.read_text("utf-8").endswith("An afterthought.\n")


def test_check_holds_a_notebook_to_its_budget(root):
    running.run("02_elbo", root)
    measures = generated.measured(root)
    for change, complaint in [
        ({"seconds": 61}, "budget"),
        ({"peak_mb": 1501}, "budget"),
        ({"scale": "smoke"}, "scale"),
    ]:
        generated.results_path(root).write_text(
            json.dumps({"02_elbo": {**measures["02_elbo"], **change}}), "utf-8"
        )
        assert any(complaint in problem for problem in authoring.problems(root)), change


def test_a_new_address_reaches_every_link_and_keeps_outputs(root):
    running.run("02_elbo", root)
    finish(root)
    old = generated.repository(root)
    pyproject = root / "pyproject.toml"
    pyproject.write_text(
        pyproject.read_text("utf-8").replace(old, "https://github.com/someone/elsewhere"), "utf-8"
    )
    found = "\n".join(authoring.problems(root))
    assert "links, Colab cell or time are not as generated" in found
    assert "README.md: badges" in found and "README.zh.md: badges" in found
    running.sync("02_elbo", root)
    finish(root)
    assert authoring.problems(root) == []
    readmes = [generated.readme_path(root, language) for language in LANGUAGES]
    for path in [*readmes, texts.text_path("02_elbo", root), texts.notebook_path("02_elbo", root)]:
        written = path.read_text("utf-8")
        assert old.removeprefix("https://github.com/") not in written
        assert "colab.research.google.com/github/someone/elsewhere/" in written
        assert "mybinder.org/v2/gh/someone/elsewhere/" in written


def test_the_table_of_another_edition_has_its_notebooks_questions_and_times(root):
    table = generated.readme(root, "zh").split("<!-- table -->")[1].split("<!-- /table -->")[0]
    assert ".ipynb" not in table  # there is no text in Chinese yet
    path = texts.text_path("02_elbo", root, "zh")
    path.parent.mkdir(parents=True)
    path.write_text(TEXT, "utf-8")
    question = generated.CONTENTS["02_elbo"]["zh"][1]
    assert f"[02_elbo](notebooks/zh/02_elbo.ipynb) | 10.2.3 | {question}|  |" in generated.readme(root, "zh")
    generated.results_path(root).parent.mkdir(parents=True)
    row = {"seconds": 12.6, "processor": "A processor", "cores": 2}
    measures = {"02_elbo": row}
    for told, machine in [("15 秒", "A processor，2 核"), ("9 秒", "Another，4 核")]:  # first the English one's, then its own
        generated.results_path(root).write_text(json.dumps(measures), "utf-8")
        assert f"{question}| {told} |" in generated.readme(root, "zh") and f"（{machine}）" in generated.readme(root, "zh")
        assert "| 15 s |" in generated.readme(root) and "(A processor, 2 cores)" in generated.readme(root)
        measures["zh/02_elbo"] = {"seconds": 8.2, "processor": "Another", "cores": 4}
    assert "[中文](README.zh.md)" in generated.readme(root) and "[English](README.md)" in generated.readme(root, "zh")
    generated.readme_path(root, "zh").unlink()
    assert "中文" not in generated.readme(root)


def cell_with(*results, **metadata):
    return new_notebook(
        cells=[new_code_cell("1", execution_count=1, outputs=list(results), metadata=metadata)]
    )


PICTURE = {"image/png": "iVBORw0KGgo="}


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        (new_output("error", ename="ValueError", evalue="no"), "holds an error"),
        (new_output("display_data", data=PICTURE), "no alt text"),
        (new_output("display_data", data=PICTURE, metadata={"image/png": {"alt": "unheard"}}), "no alt text that JupyterLab"),
        (new_output("display_data", data={"text/html": '<img alt=" " src="x.png">'}), "<img> in its HTML"),
        (new_output("display_data", data={"text/html": "<p><img src='x.png'></p>"}), "<img> in its HTML"),
        (new_output("display_data", data={outputs.WIDGET: {"model_id": "1"}}), "widget's view"),
        (new_output("stream", name="stdout", text="first\n/home/" + "someone/x.py"), "path of the machine"),
        (new_output("display_data", data={"text/html": "in C:\\Users\\me"}), "path of the machine"),
        (new_output("execute_result", data={"text/plain": "<Axes object at 0x7f12345678>"}), "bare object"),
        (new_output("stream", name="stderr", text="x.py:3: UserWarning: beware"), "shows a warning"),
    ],
)
def test_check_finds_what_must_not_be_kept(output, complaint):
    assert any(complaint in problem for problem in outputs.amiss(cell_with(output), "02_elbo"))


def test_check_accepts_what_is_right():
    notebook = cell_with(
        new_output(
            "display_data", data={"text/html": "<img alt='a line' src='data:image/png;base64,AA/tmp/B'>"}
        ),
        new_output("stream", name="stdout", text="9/10 at https://example.org/home/page, 3 s"),
        new_output("error", ename="ValueError", evalue="on purpose"),
        tags=["raises-exception"],
    )
    notebook.metadata.update({"kernelspec": outputs.KERNELSPEC, "language_info": {"name": "python"}})
    assert list(outputs.amiss(notebook, "02_elbo")) == []


def test_clean_strips_what_is_of_one_run(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAPTER10_DATA", "/somewhere/data")
    notebook = cell_with(
        new_output("stream", name="stderr", text="\r 10%|#"),
        new_output("stream", name="stderr", text="\r100%|##########\n"),
        new_output(
            "display_data", data={outputs.WIDGET: {"model_id": "1"}, "text/plain": "IntSlider(value=0)"}
        ),
        new_output("display_data", data={outputs.WIDGET: {"model_id": "2"}, **PICTURE}),
        new_output(
            "stream",
            name="stdout",
            text=f"MNIST from /somewhere/data; {tmp_path}{os.sep}a, /somewhere/database",
        ),
        execution={"iopub.execute_input": "2026"},
        tags=["kept"],
    )
    notebook.metadata["widgets"] = {"state": {}}
    outputs.clean(notebook, tmp_path)
    bar, picture, said = notebook.cells[0].outputs
    assert bar.text == "100%|##########\n"
    assert set(picture.data) == {"image/png"}
    assert said.text == f"MNIST from $CHAPTER10_DATA; .{os.sep}a, /somewhere/database"
    assert notebook.cells[0].metadata == {"tags": ["kept"]} and "widgets" not in notebook.metadata


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.2, 1), (3.0, 3), (3.1, 4), (10.0, 10), (10.1, 15), (45.2, 50)]
)
def test_seconds_are_rounded_up(seconds, told):
    assert generated.rounded(seconds) == told


def test_names_can_be_given_short_and_a_wrong_one_is_told(root):
    assert (
        texts.names(["02"], root) == texts.names(["02_elbo"], root) == texts.names(root=root) == ["02_elbo"]
    )
    with pytest.raises(InputError, match="'7'.*02_elbo"):
        texts.names(["02", "7"], root)
    with pytest.raises(InputError, match="clone"):
        texts.names(root=root / "nowhere")


def test_the_command_line_knows_the_four_commands():
    parser = argparse.ArgumentParser()
    authoring.add_parser(parser.add_subparsers())
    for words in [["sync"], ["run", "02", "04"], ["check"], ["links"]]:
        assert callable(parser.parse_args(["author", *words]).run)


def test_pytest_runs_notebooks_and_ends_in_a_table(tmp_path):
    (tmp_path / "test_one.py").write_text("def test_one():\n    pass\n", "utf-8")
    good, bad = new_code_cell("x = 1"), new_code_cell("assert x == 2")
    nbformat.write(new_notebook(cells=[good, bad]), tmp_path / "book.ipynb")
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path),
               "-p", "no:cacheprovider", str(tmp_path)]  # fmt: skip
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 1, said.stdout
    rows = {line.split("  ")[0]: line.split() for line in said.stdout.splitlines() if "  " in line}
    assert rows["unit tests"][2] == "1" and rows["unit tests"][-1] == "ok"
    assert rows["book.ipynb"][1] == "2" and rows["book.ipynb"][-2:] == ["1", "FAILED"]
