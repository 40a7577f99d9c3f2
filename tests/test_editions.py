"""Another edition: its texts follow the English ones, and one catalogue holds what the package and the cells say."""

import gettext
import io

import pytest
from babel.messages.pofile import read_po

from chapter10.authoring import catalogue, editions, texts
from chapter10.authoring.catalogue import of_code, places
from chapter10.errors import InputError

ENGLISH = """# 02 · A title

It takes about 5 s.

```{code-cell}
import chapter10

env = chapter10.setup(seed=0)
```

First words.

```{code-cell}
print(f"{1 + 1} of the words")
```

+++ {"exercise": "02-kl", "part": "statement"}

What is asked.

```{code-cell}
chapter10.setup()
```

Last words.
"""


def words(text: str) -> list[str]:
    return [cell.source for cell in texts.parse(text).cells]


def translated(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return editions.done(text, ENGLISH)


def test_a_new_edition_has_every_cell_its_code_speaks_the_language_and_all_is_to_do():
    text = editions.follow("", ENGLISH, "zh")
    assert words(text)[1] == 'import chapter10\n\nenv = chapter10.setup(seed=0, language="zh")'
    assert words(text)[5] == 'chapter10.setup(language="zh")' and words(text)[3] == words(ENGLISH)[3]
    assert [(place, why) for place, why, _ in editions.to_do(text, ENGLISH)] == [
        (0, "new"),
        (2, "new"),
        (6, "new"),
    ]
    assert editions.follow(text, ENGLISH, "zh") == text  # in step, and stays so
    assert editions.follow("", ENGLISH, "en") == editions.follow("", ENGLISH, "en").replace("zh", "en")


def test_translations_stay_with_their_cells_when_english_cells_come_go_and_change():
    text = translated(editions.follow("", ENGLISH, "zh"), {"First words.": "开头。", "Last words.": "结尾。"})
    assert [words for *_, words in editions.to_do(text, ENGLISH)] == ["# 02 · A title It takes about 5 s."]
    english = ENGLISH.replace("First words.", "A cell more.\n\n+++\n\nFirst words.").replace("1 + 1", "2 + 2")
    english = english.replace("Last words.", "The last words.")
    after = editions.follow(text, english, "zh")
    assert "开头。" in words(after) and words(after)[-1] == "结尾。" and "2 + 2" in after
    assert [(why, words) for _, why, words in editions.to_do(after, english)][1:] == [
        ("new", "A cell more."),
        ("changed", "The last words."),
    ]
    shorter = editions.follow(after, ENGLISH.replace("First words.\n\n", ""), "zh")
    assert "开头。" not in shorter and words(shorter)[-1] == "结尾。"


def test_what_is_generated_in_the_first_cell_changes_no_hash():
    first = words(ENGLISH)[0]
    assert editions.digest(first) == editions.digest(first.replace("about 5 s", "about 25 s"))
    linked = first.replace("It takes", "[Open in Colab](https://x) · [中文](zh/02.ipynb)\n\nIt takes")
    assert editions.digest(linked) == editions.digest(linked.replace("https://x", "https://y"))
    assert editions.digest(first) != editions.digest(first.replace("title", "tile"))


def test_the_sentences_of_a_cell_are_found_and_nothing_else():
    code = '''
%pip install something
def f(x):
    """A docstring is for who reads the code."""
    return {"a key": x}["a key"], "key"
claim("It holds. Really", f"{x:.1%} of {len(y)} seeds", unit="nats")
print(f"{a}: {b:.2f}", f"{'one sentence here'} {c} words")
'''
    found = {message.id: message.comments for message in of_code(code)}
    assert list(found) == [
        "nats",  # a claim's unit, in a context of its own
        "It holds. Really",
        "{0} of {1} seeds",
        "{0} {1} words",
        "one sentence here",
    ]
    assert found["{0} of {1} seeds"] == ("{0}: x; {1}: len(y)",)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("none", []),
        ("{a} and {b:.1%}", ["a!None:", "b!None:.1%"]),
        ("{a!r} {{kept}}", ["a!r:"]),
        ("a set {1, 2} {", ["{", "{", "}"]),
    ],
)
def test_places_for_values_are_told(text, expected):
    assert places(text) == expected


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A small repository: a module that speaks, a notebook, and no tasks."""
    monkeypatch.setattr(catalogue, "of_tasks", lambda: iter(()))
    (tmp_path / "chapter10").mkdir()
    code = 'say("beta is {beta}.", beta=1)\nraise InputError("No such file.")\nsay_of(n, "{count} step", "{count} steps")\n'
    (tmp_path / "chapter10" / "speaks.py").write_text(code, "utf-8")
    path = texts.text_path("02_elbo", tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(ENGLISH, "utf-8")
    return tmp_path


def fill(root, **strings: str) -> None:
    """Put translations into the catalogue, by the first word of the English."""
    path = catalogue.po_path("zh", root)
    made = read_po(io.BytesIO(path.read_bytes()), locale="zh")
    for message in made:
        first = (
            (message.id if isinstance(message.id, str) else message.id[0])
            .strip("{}")
            .split(" ")[0]
            .strip("{}")
        )
        if message.id and first in strings:
            message.string = strings[first] if isinstance(message.id, str) else (strings[first],)
            message.user_comments = ["kept: a name"] if strings[first] == message.id else []
    path.write_bytes(catalogue.as_po(made))


def test_a_catalogue_is_extracted_filled_checked_and_compiled(root):
    assert len(catalogue.update("zh", root)) == 4
    assert all(line.startswith("untranslated: ") for line in catalogue.problems("zh", root))
    fill(root, beta="beta 是 {beta}。", No="没有文件。", count="{count} 步", **{"0": "共 {0} 个词"})
    assert catalogue.problems("zh", root) == [
        "the compiled catalogue is out of step: python -m chapter10 author catalogue"
    ]
    assert catalogue.update("zh", root) == []
    compiled = catalogue.po_path("zh", root).with_suffix(".mo")
    with compiled.open("rb") as file:
        spoken = gettext.GNUTranslations(file)
    assert (
        spoken.gettext("No such file.") == "没有文件。"
        and spoken.ngettext("{count} step", "{count} steps", 3) == "{count} 步"
    )
    before = catalogue.po_path("zh", root).read_bytes()
    assert catalogue.update("zh", root) == [] and catalogue.po_path("zh", root).read_bytes() == before


def test_a_check_finds_other_places_what_was_left_as_it_was_and_what_is_stale(root):
    catalogue.update("zh", root)
    fill(root, beta="beta 是 {gamma}。", No="No such file.", count="{count} 步", **{"0": "共 {0} 个词"})
    catalogue.update("zh", root)
    assert catalogue.problems("zh", root) == ["other places for values than in English: beta is {beta}."]
    path = catalogue.po_path("zh", root)
    path.write_text(path.read_text("utf-8").replace("# kept: a name\n", ""), "utf-8")
    assert "the same as in English, without a comment 'kept: why': No such file." in catalogue.problems(
        "zh", root
    )
    (root / "chapter10" / "speaks.py").write_text('say("Something else altogether, quite other.")\n', "utf-8")
    found = catalogue.problems("zh", root)
    assert "missing: Something else altogether, quite other." in found
    assert "stale, nothing says it any more: No such file." in found


def test_english_has_no_catalogue_and_a_broken_one_is_told(root):
    with pytest.raises(InputError, match="no language to translate to"):
        catalogue.problems("en", root)
    catalogue.update("zh", root)
    path = catalogue.po_path("zh", root)
    path.write_text(path.read_text("utf-8") + "\nmsgid without quotes\n", "utf-8")
    with pytest.raises(InputError, match="is no catalogue"):
        catalogue.problems("zh", root)
