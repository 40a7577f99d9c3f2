"""The Chinese edition as it stands: whole, in step, written as Chinese is, at home in folders with Chinese names."""

import ast
import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch

from chapter10 import data, files, language
from chapter10.authoring import catalogue, chinese, editions, texts
from chapter10.authoring.chinese import amiss, other_terms
from chapter10.errors import Chapter10Error, InputError
from chapter10.exercises.record import Record, hand_in
from chapter10.exercises.task import load

ROOT = Path(__file__).parents[1]
NAMES = texts.names()


def notebook(name: str) -> nbformat.NotebookNode:
    return nbformat.read(texts.notebook_path(name, language="zh"), as_version=4)


# The catalogue and the texts


def test_the_catalogue_is_whole():
    assert catalogue.problems("zh") == []


def test_every_notebook_is_there():
    assert texts.names(language="zh") == NAMES
    assert [name for name in NAMES if not texts.notebook_path(name, language="zh").is_file()] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_code_is_the_english_one_but_for_the_language(name):
    english = nbformat.read(texts.notebook_path(name), as_version=4)
    ours = notebook(name)
    code, theirs = ([cell.source for cell in nb.cells if cell.cell_type == "code"] for nb in (ours, english))
    assert [source.replace(', language="zh")', ")").replace('setup(language="zh")', "setup()") for source in code] == theirs
    assert sum('language="zh"' in source for source in code) == 1
    assert [cell.cell_type for cell in ours.cells] == [cell.cell_type for cell in english.cells]


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_left_in_english_or_has_been_left_behind(name):
    text, english = texts.text_path(name, language="zh").read_text("utf-8"), texts.text_path(name).read_text("utf-8")
    assert editions.to_do(text, english) == []
    assert list(editions.wording(text, english)) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_outputs_are_there_and_nothing_warned(name):
    for place, cell in enumerate(notebook(name).cells):
        if cell.cell_type == "code" and cell.source.strip():
            assert cell.execution_count is not None, place
            for output in cell.outputs:
                assert output.get("name") != "stderr" and "Glyph" not in str(output.get("text", "")), place


@pytest.mark.parametrize("name", NAMES)
def test_no_sentence_in_the_outputs_is_english(name):
    """Four English words in a row, outside code and commands, that no cell and no picture keeps so for a reason."""
    kept = " ".join(str(m.string) for m in catalogue.stored("zh"))  # what is kept, and names of papers in a translation
    found = []
    for place, cell in enumerate(notebook(name).cells):
        for output in cell.get("outputs", ()):
            found += [(place, words) for words in english_in(output) if words not in kept]
    assert found == []


def english_in(output: nbformat.NotebookNode) -> list[str]:
    data_ = output.get("data", {})
    texts_ = [output.get("text", ""), *(data_.get(f"text/{kind}", "") for kind in ("markdown", "html"))]
    if not any(texts_[1:]):
        texts_.append(data_.get("text/plain", ""))
    found = []
    for text in texts_:
        alts = " | ".join(re.findall(r'alt="([^"]*)"', text))
        shown = re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(script|style|pre).*?</\1>", "", text)) + alts
        shown = re.sub(r"`[^`]*`|--\S+|python -m chapter10 .*|\w*Error: [^|\n]*|原文是 [^|\n]*", "", html.unescape(shown))
        found += re.findall(r"[A-Za-z][A-Za-z'’]+(?: [A-Za-z'’]{2,}){3,}", shown)
    return found


# What goes through the catalogue

READERS = [  # modules whose words a reader of the notebooks sees; the others speak to authors, teachers and whoever measures
    *sorted((ROOT / "chapter10" / "exercises").glob("*.py")),
    *sorted((ROOT / "chapter10" / "metrics").glob("*.py")),
    *sorted((ROOT / "chapter10" / "live").glob("*.py")),
    *(ROOT / "chapter10" / f"{name}.py" for name in ("claims", "data", "environment", "figures", "files", "checkpoints", "training")),
]
SHOWN = {"print", "display", "warn", "_warn", "html", "escape"}


def speaks(node: ast.AST) -> list[str]:
    """Sentences written out in a node that no call of `say` or its like holds."""
    if isinstance(node, ast.Call) and called(node) in catalogue.KEYWORDS:
        return [sentence for keyword in node.keywords for sentence in speaks(keyword.value)]
    if isinstance(node, ast.JoinedStr):
        words = re.sub(r"<[^>]*>|\{\d+\}", " ", language.template(node))
        return [words] if language.SENTENCE.search(words) and not re.match(r"\s*[a-z-]+:[^ ]", words) else []
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) and " " in node.value and language.SENTENCE.search(node.value) else []
    return [sentence for child in ast.iter_child_nodes(node) for sentence in speaks(child)]


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def round_the_catalogue(source: str) -> list[str]:
    """What is printed, shown, raised or returned as a text, and goes round the catalogue."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (called(node) in SHOWN or called(node) in catalogue.ERRORS):
            found += [sentence for argument in node.args for sentence in speaks(argument)] if called(node) in SHOWN else [
                "a message put together" for argument in node.args[:1] if isinstance(argument, (ast.JoinedStr, ast.BinOp))
            ]
        if isinstance(node, ast.FunctionDef) and node.name in ("__repr__", "__str__", "_repr_html_", "head", "word", "measurement"):
            found += [s for part in ast.walk(node) if isinstance(part, ast.Return) and part.value for s in speaks(part.value)]
    return found


@pytest.mark.parametrize("path", READERS, ids=lambda path: path.stem)
def test_what_a_reader_sees_goes_through_the_catalogue(path):
    assert round_the_catalogue(path.read_text("utf-8")) == []


def test_every_error_is_a_message_of_the_catalogue():
    for path in sorted((ROOT / "chapter10").rglob("*.py")):
        if not path.name.startswith("bench"):
            assert "a message put together" not in round_the_catalogue(path.read_text("utf-8")), path


def test_what_goes_round_the_catalogue_is_found():
    assert round_the_catalogue('print("Some words here.")') == ["Some words here."]
    assert round_the_catalogue('print(f"Of {n} modes {k} are reached")')
    assert round_the_catalogue('raise InputError(f"The rate is {lr}.")') == ["a message put together"]
    assert round_the_catalogue('class A:\n def __repr__(self):\n  return f"{self.n} good samples"')
    assert round_the_catalogue('print(say("Some words here.", n=1)); raise InputError("The rate is {lr}.", lr=1)') == []


# What is Chinese


@pytest.mark.parametrize(
    "text, told",
    [
        ("编码器(encoder)。", "brackets"),
        ("编码器 (encoder)。", "brackets"),
        ("好(的)。", "brackets"),
        ("取 z, 很好。", "，；：？！"),
        ("很好,真的。", "，；：？！"),
        ("就是这样.", "ends with 。"),
        ('他说"好"。', "quotation"),
        ("用VAE。", "a space belongs"),
        ("共10个。", "a space belongs"),
        ("方差σ。", "a space belongs"),
        ("走了 。", "no space beside"),
        ("潜在 空间。", "no space between Chinese"),
        ("占 88 %。", "per cent"),
        ("**后验崩溃。**然后", "asterisks"),
    ],
)
def test_what_is_not_written_as_chinese_is_told(text, told):
    assert any(told in wrong for wrong in amiss(text))


@pytest.mark.parametrize(
    "text",
    [
        "编码器（encoder）把 $x$ 映到 `z`，占 88%。",
        "log p(x) 的下界，N(0, I) 与 f(G(z)) 一样。",
        "| 一 | 二 |\n| --- | --- |\n| **好** | 1.5 |",
        "见[第 2 节](02_elbo.ipynb)，共 {0} 个模式，{1:.2f} nats。",
        "$$\\text{重构}(x)$$\n\n```python\nf(x)  # 中文,注释\n```",
        "**后验崩溃**（posterior collapse）：q 等于先验。",
    ],
)
def test_what_is_written_as_chinese_is_let_through(text):
    assert list(amiss(text)) == []


def test_terms_are_held_to():
    assert list(other_terms("The posterior collapse of VAEs.", "VAE 的后验崩溃。")) == []
    assert list(other_terms("A critic, not a discriminator", "评判器（critic），不是判别器")) == []
    assert any("后验崩溃" in told for told in other_terms("Posterior collapse", "后验消失了"))
    assert any("latent-space" in told for told in other_terms("a latent-space walk", "走一走"))
    assert any("隐空间" in told for told in other_terms("walk", "在隐空间里走"))
    assert list(other_terms("`prior` is code", "这是代码")) == []  # names of code are no words


def test_the_table_of_terms_is_one(tmp_path):
    assert len(chinese.terms()) > 50
    with pytest.raises(InputError, match="no table of terms"):
        chinese.terms(tmp_path)
    path = chinese.terms_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text("| 英文 | 中文 | 不用 |\n| --- | --- | --- |\n| prior | 先验 |\n", "utf-8")
    with pytest.raises(InputError, match="found '| prior"):
        chinese.terms(tmp_path)


# What the package says


@pytest.fixture
def spoken(monkeypatch):
    """The package speaks Chinese for one test."""
    with language.speaking("zh"):
        yield


def test_errors_verdicts_and_hints_are_chinese(spoken, tmp_path):
    with pytest.raises(Chapter10Error) as error:
        data.load("mnits")
    assert chinese_share(str(error.value)) > 0.1
    from chapter10.exercises import judging

    right = load("02-kl")
    for answer in (lambda mu, log_var: None, lambda mu, log_var: mu, lambda mu, log_var: (mu**2).sum(1)):
        verdict = judging.judge(right, answer)
        assert not verdict.passed and chinese_share(verdict.text) > 0.3, verdict
    assert judging.judge(right, right.run(right.solution)[0]).passed


def chinese_share(text: str) -> float:
    return sum("一" <= sign <= "鿿" for sign in text) / len(text)


# Folders and names


def test_folders_and_names_may_be_chinese(tmp_path, spoken):
    home = tmp_path / "用户 李华"
    state = {"weights": torch.arange(3.0), "名字": "后验"}
    path = home / "检查点" / "权重.safetensors"
    files.save_state(path, state, {"data": "数据"})
    found, metadata = files.load_state(path)
    assert torch.equal(found["weights"], state["weights"]) and found["名字"] == "后验" and metadata["data"] == "数据"
    record = Record(home / "进度" / "进度.jsonl")
    record.add(event="check", task="02-kl", kind="right", text="对", source="my_kl = None")
    assert record.standings()["02-kl"].solved
    answers = hand_in("李华", [load("02-kl")], record, home / "答案-李华.json")
    assert json.loads(answers.read_text("utf-8"))["student"] == "李华"


@pytest.mark.skipif("CHAPTER10_DATA" not in os.environ, reason="needs MNIST: CHAPTER10_DATA names its folder")
def test_a_user_with_a_chinese_name_trains_and_goes_on(tmp_path):
    home = tmp_path / "用户 李华"
    there = Path(os.environ["CHAPTER10_DATA"]).resolve() / "MNIST"
    (home / "数据").mkdir(parents=True)
    shutil.copytree(there, home / "数据" / "MNIST")
    variables = {"CHAPTER10_DATA": str(home / "数据"), "CHAPTER10_LANGUAGE": "zh", "PYTHONIOENCODING": "utf-8", "HOME": str(home)}
    command = [sys.executable, "-m", "chapter10", "train", "vae2-digits", "--scale", "smoke", "--folder", str(home / "运行一")]
    for _ in range(2):
        done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, encoding="utf-8", cwd=home)
        assert done.returncode == 0, done.stderr
        command[-1:] = [str(home / "运行二")]
    assert "用户 李华" in str(home) and list((home / "运行一").glob("*.safetensors")) and list((home / "运行二").glob("*.safetensors"))
    read = [sys.executable, "-c", "from chapter10 import data, language; language.choose(); data.load('mnist')"]
    done = subprocess.run(read, env={**os.environ, **variables}, capture_output=True, text=True, encoding="utf-8", cwd=home)
    assert done.returncode == 0 and "数据" in done.stdout, done.stderr
