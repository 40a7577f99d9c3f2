"""The reader's language: chosen once, looked up in one catalogue, in the package's sentences and in a notebook's cells."""

import ast
import gettext
import io
import pickle
from pathlib import Path

import pytest
from babel.messages import mofile
from babel.messages.catalog import Catalog
from IPython.display import Markdown

from chapter10 import errors, language
from chapter10.authoring import catalogue
from chapter10.authoring.texts import ROOT
from chapter10.errors import InputError

ENTRIES = {
    "The grid has {0} modes.": "网格有 {0} 个模式。",
    "{0} of {1}": "共 {1} 个，取 {0} 个",
    "A plain sentence.": "一个普通的句子。",
    "beta is {beta}; give a number from 0 up.": "beta 为 {beta}；请给出不小于 0 的数。",
    "Braces {{kept}}, {0}.": "大括号 {{kept}}，{0}。",
    ("{count} step", "{count} steps"): ("{count} 步",),
}

WORDS = {"free bits": "自由比特", "distance": "距离"}
TOLD = {"of a kind": "某一种"}


@pytest.fixture
def chinese(monkeypatch):
    """A catalogue of a few entries, in force for one test."""
    made, content = Catalog(locale="zh"), io.BytesIO()
    for key, value in ENTRIES.items():
        made.add(key, value)
    for word, value in WORDS.items():
        made.add(word, value, context=language.TABLE)
    for text, value in TOLD.items():
        made.add(text, value, context=language.RESULT)
    mofile.write_mo(content, made)
    content.seek(0)
    monkeypatch.setattr(language, "_current", gettext.GNUTranslations(content))


def run(source: str, **names):
    tree = ast.fix_missing_locations(language.Cells().visit(ast.parse(source, mode="eval")))
    return eval(compile(tree, "<cell>", "eval"), names)


def test_english_is_spoken_as_it_is_written():
    said = language.say("beta is {beta}; give a number from 0 up.", beta=-1)
    assert said == "beta is -1; give a number from 0 up."
    assert language.say("Braces {stay} without values.") == "Braces {stay} without values."
    assert language.say_of(1, "{count} step", "{count} steps") == "1 step"
    assert language.say_of(3, "{count} step", "{count} steps") == "3 steps"
    assert language.noted("kept") == "kept" and language.say("") == ""


def test_a_sentence_of_the_package_is_looked_up(chinese):
    said = language.say("beta is {beta}; give a number from 0 up.", beta=-1)
    assert said == "beta 为 -1；请给出不小于 0 的数。"
    assert language.say_of(3, "{count} step", "{count} steps") == "3 步"
    assert language.say("Not in the catalogue.") == "Not in the catalogue."
    assert language.say("") == ""  # and not the catalogue's head


def test_a_cell_speaks_the_language_and_computes_the_same(chinese):
    assert run("'A plain sentence.'") == "一个普通的句子。"
    assert run("f'The grid has {n + 1:.1f} modes.'", n=24) == "网格有 25.0 个模式。"
    assert run("f'{a!r} of {b}'", a="x", b=7) == "共 7 个，取 'x' 个"  # in another order
    assert run("f'Braces {{kept}}, {1 + 1}.'") == "大括号 {kept}，2。"
    assert run("f'Unknown {n}.'", n=1) == "Unknown 1."
    nested = """f'{["A plain sentence."][0]} of {[2][0]}'"""
    assert run(nested) == "共 2 个，取 一个普通的句子。 个"
    assert run("(1, 'key', b'A plain sentence.', '')") == (1, "key", b"A plain sentence.", "")


def test_the_template_of_an_f_string_numbers_its_values():
    node = ast.parse('f\'{x:.1%} and {{}} and {", ".join(f"{v}" for v in y)!s:>10}\'', mode="eval").body
    assert language.template(node) == "{0} and {{}} and {1}"


def test_an_unknown_language_is_refused_with_the_choices():
    with pytest.raises(InputError, match="no edition in the language 'fr'. Choose one of: en, zh"):
        language.choose("fr")
    assert language.chosen() == "en"


def test_the_variable_chooses_where_nobody_else_does(monkeypatch):
    monkeypatch.setenv("CHAPTER10_LANGUAGE", "xx")
    with pytest.raises(InputError, match="'xx'"):
        language.choose()
    assert language.choose("en") == "en"


def test_the_cells_of_a_kernel_follow_the_choice_once(monkeypatch, chinese):
    from IPython.core.formatters import DisplayFormatter

    class Shell:
        ast_transformers = ["somebody's own"]
        display_formatter = DisplayFormatter()

    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: Shell)
    monkeypatch.setattr(language, "_name", "zh")
    language._translate_cells()
    language._translate_cells()
    assert [type(one).__name__ for one in Shell.ast_transformers] == ["str", "Cells"]
    table = Markdown("| free bits | **distance** | 3 |\n| --- | --- | --- |\nThe free bits, distance.")
    shown = Shell.display_formatter.format(table)[0]["text/markdown"]
    assert shown == "| 自由比特 | **距离** | 3 |\n| --- | --- | --- |\nThe free bits, distance."
    monkeypatch.setattr(language, "_name", "en")
    language._translate_cells()
    assert Shell.ast_transformers == ["somebody's own"]
    assert Shell.display_formatter.format(table)[0]["text/markdown"] == table.data


def test_an_error_says_its_sentence_in_the_readers_language(chinese):
    for kind in (errors.InputError, errors.SaveError, errors.ClaimFailed, errors.CheckpointError):
        error = kind("beta is {beta}; give a number from 0 up.", beta=-1)
        assert str(error) == "beta 为 -1；请给出不小于 0 的数。" and error.args == (str(error),)
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
        assert str(kind("As it is: {this}.")) == "As it is: {this}." and str(kind()) == ""


def test_a_stored_results_words_are_retold_and_its_numbers_stay(chinese):
    result = {
        "name": "of a kind",
        "protocol": {"count": "of a kind", "more": ["of a kind", "not known"]},
        "rows": [{"differs": "of a kind", "method": "of a kind", "n": 3}, 4.5],
        "judge": None,
    }
    said = language.retold(result)
    assert said["protocol"] == {"count": "某一种", "more": ["某一种", "not known"]} and said["judge"] is None
    assert said["rows"] == [{"differs": "某一种", "method": "of a kind", "n": 3}, 4.5] and said["name"] == "of a kind"
    assert list(language.texts_of(result)) == ["of a kind", "of a kind", "not known", "of a kind"]


def test_sentences_are_joined_as_the_language_does(monkeypatch):
    assert language.sentences("One.", "", "Two.") == "One. Two."
    monkeypatch.setattr(language, "_name", "zh")
    assert language.sentences("一。", "", "二。") == "一。二。"


def test_within_speaking_all_is_in_the_language_and_afterwards_as_before():
    with language.speaking("zh"):
        assert language.chosen() == "zh" and language.say("Right") == "正确"
    assert language.chosen() == "en" and language.say("Right") == "Right"


def test_no_message_stands_inside_an_f_string_where_the_extraction_does_not_see_it():
    found = []
    for path in Path(language.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                calls = [call for call in ast.walk(node) if isinstance(call, ast.Call) and call.args]
                calls = [call for call in calls if getattr(call.func, "id", "") in ("say", "say_of", "noted")]
                found += [f"{path.name}:{node.lineno}" for call in calls if isinstance(call.args[0], ast.Constant)]
    assert found == []


def test_every_message_that_is_written_out_is_extracted():
    """By the syntax tree, beside Babel, which loses a call of `say` within another's brackets."""
    known = {message if isinstance(message, str) else message[0] for message, *_ in catalogue.of_package()}
    missed = []
    for path in (ROOT / "chapter10").rglob("*.py"):
        if path.name.startswith("bench"):
            continue
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = getattr(getattr(call, "func", None), "id", "")
            place = catalogue.KEYWORDS.get(name, 0) or (1,)
            if isinstance(call, ast.Call) and name in catalogue.KEYWORDS and len(call.args) >= place[0]:
                first = call.args[place[0] - 1]
                if isinstance(first, ast.Constant) and first.value not in known:
                    missed.append(f"{path.name}:{call.lineno}")
    assert missed == []


def test_a_way_of_the_readers_own_to_show_markdown_stays(monkeypatch):
    import IPython
    from IPython.core.formatters import DisplayFormatter

    class Shell:
        ast_transformers = []
        display_formatter = DisplayFormatter()

    monkeypatch.setattr(IPython, "get_ipython", lambda: Shell)
    Shell.display_formatter.formatters["text/markdown"].for_type_by_name(
        "IPython.core.display", "Markdown", lambda shown: f"own: {shown.data}"
    )
    for name in ("zh", "en"):
        monkeypatch.setattr(language, "_name", name)
        language._translate_cells()
        assert Shell.display_formatter.format(Markdown("| a |"))[0]["text/markdown"] == "own: | a |"
        assert bool(Shell.ast_transformers) == (name == "zh")
