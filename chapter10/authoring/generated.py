"""What nobody types: links and times in notebooks, the Colab cell, badges and table in the READMEs, the links to a hub."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chapter10.authoring.texts import ROOT, folder, measured_name, notebook_path, parse, text_path, unparse
from chapter10.errors import InputError
from chapter10.language import LANGUAGES, noted, speaking

# The README's table, in each language: the section of the chapter, and the question that a notebook answers.
CONTENTS = {
    "00_start_here": (noted("en"), noted("zh")),
    "01_autoencoder_or_vae": (noted("en"), noted("zh")),
    "02_elbo": (noted("en"), noted("zh")),
    "03_reparameterization": (noted("en"), noted("zh")),
    "04_vae": (noted("en"), noted("zh")),
    "05_minimax_game": (noted("en"), noted("zh")),
    "06_gan": (noted("en"), noted("zh")),
    "07_vae_or_gan": (noted("en"), noted("zh")),
    "08_beta_vae_and_collapse": (noted("en"), noted("zh")),
    "09_vqvae_and_vaegan": (noted("en"), noted("zh")),
    "10_dcgan_and_wgan": (noted("en"), noted("zh")),
    "11_cyclegan": (noted("en"), noted("zh")),
    "12_questions": (noted("en"), noted("zh")),
    "13_at_full_scale": (noted("en"), noted("zh")),
}

# In each language: the words of links and badges, of the measured time, and of the README's table.
WORDS = {
    "en": {
        "Colab": "Open in Colab",
        "Binder": "Open in Binder",
        "tests": "tests",
        "seconds": "about {} s",
        "columns": "| notebook | chapter | the question it answers | time |",
        "time": "{} s",
        "machine": "{processor}, {cores} cores",
        "note": "The times were measured without a GPU, start of the kernel included ({}).",
    },
    "zh": {
        "Colab": "在 Colab 中打开",
        "Binder": "在 Binder 中打开",
        "tests": "测试",
        "seconds": "约 {} 秒",
        "columns": "| 笔记本 | 教材 | 它回答的问题 | 用时 |",
        "time": "{} 秒",
        "machine": "{processor}，{cores} 核",
        "note": "用时在没有 GPU 的机器上测得，内核启动的时间也算在内（{}）。",
    },
}
LINKS = re.compile(rf"^\[(?:{'|'.join(words['Colab'] for words in WORDS.values())})\]\(.*$", re.M)
SECONDS = re.compile(r"\babout (?:N|\d+) s\b|约 (?:N|\d+) 秒")
HUB = "https://HUB"  # a school's own address, which no one here knows


def repository(root: Path = ROOT) -> str:
    """The repository's address, as [project.urls] in pyproject.toml gives it."""
    match = re.search(
        r'^Repository = "(https://github\.com/[^"]+?)/?"', (root / "pyproject.toml").read_text("utf-8"), re.M
    )
    if match is None:
        raise InputError(
            'pyproject.toml has no line Repository = "https://github.com/OWNER/NAME" in [project.urls]. Add it.'
        )
    return match[1]


def results_path(root: Path = ROOT) -> Path:
    return root / "chapter10" / "results" / "notebooks.json"


def measured(root: Path = ROOT) -> dict[str, dict[str, Any]]:
    """What `run` measured of each notebook: seconds, peak_mb, code_cells, and on which machine."""
    path = results_path(root)
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def measures_of(name: str, root: Path = ROOT, language: str = "en") -> dict[str, Any]:
    """What `run` measured of a notebook; of an edition that was never run, of the English one: it is the same code."""
    measures = measured(root)
    return measures.get(measured_name(name, language), measures.get(name, {}))


def rounded(seconds: float) -> int:
    """Seconds as a reader is told them: whole up to 10, then the next multiple of 5."""
    whole = max(1, -int(-seconds // 1))
    return whole if whole <= 10 else -(-whole // 5) * 5


def colab_source(address: str) -> str:
    return "\n".join(
        [
            "# Only on Colab: install the package, and leave Colab's own torch and widgets alone.",
            "import sys",
            "",
            'if "google.colab" in sys.modules:',
            f"    %pip install --quiet --no-deps git+{address}",
        ]
    )


def links_line(name: str, address: str, language: str = "en", others: tuple[str, ...] = ()) -> str:
    """Links as text: pictures from elsewhere would be asked for each time the notebook is opened.

    Args:
        others: the languages that the notebook can be read in too.
    """
    place, words = address.removeprefix("https://github.com/"), WORDS[language]
    path = notebook_path(name, Path(), language).as_posix()
    links = [
        f"[{words['Colab']}](https://colab.research.google.com/github/{place}/blob/main/{path})",
        f"[{words['Binder']}](https://mybinder.org/v2/gh/{place}/main?urlpath=lab/tree/{path})",
    ]
    up = "" if language == "en" else "../"
    links += [f"[{LANGUAGES[other]}]({up}{'' if other == 'en' else other + '/'}{name}.ipynb)" for other in others]
    return " · ".join(links)


def readable_in(name: str, root: Path = ROOT) -> list[str]:
    """The languages in which there is a text of a notebook."""
    return [language for language in LANGUAGES if text_path(name, root, language).is_file()]


def fill(text: str, name: str, root: Path = ROOT, language: str = "en") -> str:
    """A notebook's text with everything in it that is generated: links, the Colab cell, the measured time, the exercises."""
    import nbformat

    from chapter10.exercises import cells as exercises

    notebook, address = parse(text), repository(root)
    cells = notebook.cells
    if not cells or not re.match(r"# .+", cells[0].source):
        raise InputError(
            f"notebooks/text/{name}.md must begin with a cell of text whose first line is its title: '# ...'."
        )
    others = tuple(other for other in readable_in(name, root) if other != language)
    title, line = cells[0], links_line(name, address, language, others)
    if LINKS.search(title.source):
        title.source = LINKS.sub(lambda _: line, title.source)
    else:
        heading, _, rest = title.source.partition("\n")
        title.source = f"{heading}\n\n{line}\n\n{rest.lstrip()}".rstrip()
    measures = measures_of(name, root, language)
    if measures:
        title.source = SECONDS.sub(WORDS[language]["seconds"].format(rounded(measures["seconds"])), title.source)

    tagged = [cell for cell in cells if "colab" in cell.metadata.get("tags", [])]
    if tagged:
        tagged[0].source = colab_source(address)
        tagged[0].metadata["jupyter"] = {"source_hidden": True}
    else:
        hidden = {"tags": ["colab"], "jupyter": {"source_hidden": True}}  # leaves the first screen to the question
        cell = nbformat.v4.new_code_cell(colab_source(address), metadata=hidden)
        cells.insert(next((i for i, c in enumerate(cells) if c.cell_type == "code"), len(cells)), cell)
    with speaking(language):
        notebook.cells = exercises.fill(cells)
    return unparse(notebook)


def readme_path(root: Path = ROOT, language: str = "en") -> Path:
    return root / ("README.md" if language == "en" else f"README.{language}.md")


def readme(root: Path = ROOT, language: str = "en") -> str:
    """The README with its generated blocks written anew: badges, the line to clone, the table of notebooks."""
    path, address, words = readme_path(root, language), repository(root), WORDS[language]
    place = address.removeprefix("https://github.com/")
    first = notebook_path("00_start_here", Path(), language).as_posix()
    others = [other for other in LANGUAGES if other != language and readme_path(root, other).is_file()]
    badges = [
        *(f"[{LANGUAGES[other]}]({readme_path(Path(), other).as_posix()})\n" for other in others),
        f"[![{words['tests']}]({address}/actions/workflows/tests.yml/badge.svg)]({address}/actions/workflows/tests.yml)",
        f"[![{words['Binder']}](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/{place}/main?urlpath=lab/tree/{first})",
        f"[![{words['Colab']}](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"(https://colab.research.google.com/github/{place}/blob/main/{first})",
    ]
    blocks = {
        "badges": "\n".join(badges),
        "clone": f"```\ngit clone {address} && cd {place.split('/')[1]}\n```",
        "table": _table(root, language),
    }
    return _with_blocks(path.read_text("utf-8"), blocks, path.name)


def teachers_path(root: Path = ROOT, language: str = "en") -> Path:
    return folder(root, language) / "for_teachers.md"


def teachers(root: Path = ROOT, language: str = "en") -> str:
    """The teachers' page with its generated block written anew: a link for a JupyterHub to each notebook.

    The links are nbgitpuller's: its parameters are encoded, and `urlpath` begins with the folder that the
    repository is copied into, its own name (https://nbgitpuller.readthedocs.io, "Options in an nbgitpuller URL").
    """
    address, path = repository(root), teachers_path(root, language)
    copied, lines = address.rsplit("/", 1)[1], []
    for name in _listed(root, language):
        notebook = notebook_path(name, Path(), language).as_posix()
        place = quote(f"lab/tree/{copied}/{notebook}", safe="")
        lines.append(f"{HUB}/hub/user-redirect/git-pull?repo={quote(address, safe='')}&branch=main&urlpath={place}")
    block = "\n".join(["```", *lines, "```"])
    return _with_blocks(path.read_text("utf-8"), {"hub": block}, path.relative_to(root).as_posix())


def _with_blocks(text: str, blocks: dict[str, str], where: str) -> str:
    """`text` with what stands between <!-- key --> and <!-- /key --> replaced. Raises InputError without a marker."""
    for key, content in blocks.items():
        pattern = re.compile(rf"(<!-- {key} -->\n).*?(\n?<!-- /{key} -->)", re.S)
        if not pattern.search(text):
            raise InputError(
                f"{where} has no block between <!-- {key} --> and <!-- /{key} -->. Put the two markers back."
            )
        text = pattern.sub(lambda match, content=content: f"{match[1]}{content}\n{match[2].lstrip()}", text)
    return text


def _listed(root: Path, language: str) -> list[str]:
    """The notebooks of an edition, in order: those that have a text. That each text has its notebook, `problems` sees to."""
    return [name for name in CONTENTS if text_path(name, root, language).is_file()]


def _table(root: Path, language: str) -> str:
    words, machines = WORDS[language], set()
    rows = [words["columns"], "| --- | --- | --- | ---: |"]
    for name in _listed(root, language):
        section, question = CONTENTS[name][language]
        measures, time_ = measures_of(name, root, language), ""
        if measures:
            time_ = words["time"].format(rounded(measures["seconds"]))
            machines.add(words["machine"].format(**measures))
        rows.append(f"| [{name}]({notebook_path(name, Path(), language).as_posix()}) | {section} | {question} | {time_} |")
    note = "\n\n" + words["note"].format("; ".join(sorted(machines))) if machines else ""
    return "\n".join(rows) + note
