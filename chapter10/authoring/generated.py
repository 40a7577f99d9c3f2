"""What nobody types: links and times in notebooks, the Colab cell, badges and table in the READMEs, the links to a hub."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chapter10.authoring.texts import ROOT, folder, measured_name, notebook_path, parse, text_path, unparse
from chapter10.errors import InputError
from chapter10.language import LANGUAGES, speaking

# The README's table, in each language: the section of the chapter, and the question that a notebook answers.
CONTENTS = {
    "00_start_here": {
        "en": ("10.1", "Does all work on my machine? What does a generative model learn that a classifier doesn't?"),
        "zh": ("10.1", "机器上一切正常吗？生成模型学到了什么，是分类器没学到的？"),
    },
    "01_autoencoder_or_vae": {
        "en": ("10.2.1, 10.2.2", "When is an autoencoder's latent space no place to sample from, and why?"),
        "zh": ("10.2.1、10.2.2", "自编码器的潜在空间，什么时候不能用来采样，为什么？"),
    },
    "02_elbo": {
        "en": ("10.2.3", "What is the gap between the ELBO and log p(x), and can I see it?"),
        "zh": ("10.2.3", "ELBO 与 log p(x) 之间的差距是什么，看得见吗？"),
    },
    "03_reparameterization": {
        "en": ("10.2.4", "Why move the noise out? What does the other estimator cost?"),
        "zh": ("10.2.4", "为什么要把噪声移到外面？另一种估计代价多大？"),
    },
    "04_vae": {
        "en": ("10.2.5, 10.2.6", "Train it on real digits: reconstruct, sample, interpolate; how good is it, in nats?"),
        "zh": ("10.2.5、10.2.6", "在真实数字上训练 VAE：重构、采样、插值；用 nats 衡量，它有多好？"),
    },
    "05_minimax_game": {
        "en": ("10.3.1, 10.3.2", "What does the best discriminator look like? What is being minimised? Does the game settle?"),
        "zh": ("10.3.1、10.3.2", "最好的判别器长什么样？最小化的是什么？这场博弈会停下来吗？"),
    },
    "06_gan": {
        "en": ("10.3.3", "Train it; watch it collapse, oscillate, recover; how do I tell?"),
        "zh": ("10.3.3", "训练 GAN，看它崩溃、振荡、恢复；凭什么判断？"),
    },
    "07_vae_or_gan": {
        "en": ("10.4", "The chapter's table, row by row, measured"),
        "zh": ("10.4", "教材的对比表，一行一行地测"),
    },
    "08_beta_vae_and_collapse": {
        "en": ("10.5.1", "What does β trade? When does the posterior collapse, and what helps?"),
        "zh": ("10.5.1", "β 拿什么换什么？后验什么时候崩溃，什么办法管用？"),
    },
    "09_vqvae_and_vaegan": {
        "en": ("10.5.1", "What do discrete codes need to generate? What does a discriminator in place of a pixel loss buy?"),
        "zh": ("10.5.1", "离散编码要能生成，还缺什么？拿判别器代替像素损失，换来什么？"),
    },
    "10_dcgan_and_wgan": {
        "en": ("10.5.2", "What do convolutions buy a GAN? Does a Wasserstein critic solve mode collapse?"),
        "zh": ("10.5.2", "卷积给 GAN 带来什么？Wasserstein 评判器解决模式崩溃吗？"),
    },
    "11_cyclegan": {
        "en": ("10.5.2", "Translation without pairs: what teaches it, and when does it swap things round?"),
        "zh": ("10.5.2", "没有配对的图像转换：靠什么学会，什么时候会把东西对调？"),
    },
    "12_questions": {
        "en": ("summary, questions", "The chapter's four questions, answered with experiments; its formulas; what comes next"),
        "zh": ("小结、思考题", "教材的四个问题，用实验来回答；教材的公式；下一步是什么"),
    },
    "13_at_full_scale": {
        "en": ("10.2.6, 10.3.3, 10.5", "How near do honest runs come to the papers' numbers, what differs, and what does a run cost?"),
        "zh": ("10.2.6、10.3.3、10.5", "老老实实地运行，离论文的数字有多近，差别在哪里，一次运行要花多少？"),
    },
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
            "notebooks/text/{name}.md must begin with a cell of text whose first line is its title: '# ...'.",
            name=name,
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
                "{where} has no block between <!-- {key} --> and <!-- /{key} -->. Put the two markers back.",
                where=where,
                key=key,
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
        row = f"| [{name}]({notebook_path(name, Path(), language).as_posix()}) | {section} | {question} | {time_} |"
        rows.append(re.sub(r"(?<=？) ", "", row))  # no space beside Chinese punctuation
    note = "\n\n" + words["note"].format("; ".join(sorted(machines))) if machines else ""
    return "\n".join(rows) + note
