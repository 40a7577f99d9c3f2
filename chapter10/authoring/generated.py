"""What nobody types: links and times in notebooks, the Colab cell, badges and table in the README, the links to a hub."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chapter10.authoring.texts import ROOT, measured_name, notebook_path, parse, text_path, unparse
from chapter10.errors import InputError
from chapter10.language import LANGUAGES, speaking

# The README's table: the section of the chapter, and the question that a notebook answers.
CONTENTS = {
    "00_start_here": (
        "10.1",
        "Does all work on my machine? What does a generative model learn that a classifier doesn't?",
    ),
    "01_autoencoder_or_vae": (
        "10.2.1, 10.2.2",
        "When is an autoencoder's latent space no place to sample from, and why?",
    ),
    "02_elbo": ("10.2.3", "What is the gap between the ELBO and log p(x), and can I see it?"),
    "03_reparameterization": ("10.2.4", "Why move the noise out? What does the other estimator cost?"),
    "04_vae": (
        "10.2.5, 10.2.6",
        "Train it on real digits: reconstruct, sample, interpolate; how good is it, in nats?",
    ),
    "05_minimax_game": (
        "10.3.1, 10.3.2",
        "What does the best discriminator look like? What is being minimised? Does the game settle?",
    ),
    "06_gan": ("10.3.3", "Train it; watch it collapse, oscillate, recover; how do I tell?"),
    "07_vae_or_gan": ("10.4", "The chapter's table, row by row, measured"),
    "08_beta_vae_and_collapse": (
        "10.5.1",
        "What does β trade? When does the posterior collapse, and what helps?",
    ),
    "09_vqvae_and_vaegan": (
        "10.5.1",
        "What do discrete codes need to generate? What does a discriminator in place of a pixel loss buy?",
    ),
    "10_dcgan_and_wgan": ("10.5.2", "What do convolutions buy a GAN? Does a Wasserstein critic solve mode collapse?"),
    "11_cyclegan": ("10.5.2", "Translation without pairs: what teaches it, and when does it swap things round?"),
    "12_questions": ("summary, questions", "The chapter's four questions, answered with experiments; its formulas; what comes next"),
    "13_at_full_scale": (
        "10.2.6, 10.3.3, 10.5",
        "How near do honest runs come to the papers' numbers, what differs, and what does a run cost?",
    ),
}

# In each language: the words of the links on top, and of the measured time.
WORDS = {
    "en": {"Colab": "Open in Colab", "Binder": "Open in Binder", "seconds": "about {} s"},
    "zh": {"Colab": "在 Colab 中打开", "Binder": "在 Binder 中打开", "seconds": "约 {} 秒"},
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
    measures = measured(root)  # an edition that was never measured takes as long as the English one: it is the same code
    seconds = measures.get(measured_name(name, language), measures.get(name, {})).get("seconds")
    if seconds is not None:
        title.source = SECONDS.sub(WORDS[language]["seconds"].format(rounded(seconds)), title.source)

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


def readme(root: Path = ROOT) -> str:
    """The README with its generated blocks written anew: badges, the line to clone, the table of notebooks."""
    text, address = (root / "README.md").read_text("utf-8"), repository(root)
    place = address.removeprefix("https://github.com/")
    blocks = {
        "badges": f"[![tests]({address}/actions/workflows/tests.yml/badge.svg)]({address}/actions/workflows/tests.yml)\n"
        f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]"
        f"(https://mybinder.org/v2/gh/{place}/main?urlpath=lab/tree/notebooks/00_start_here.ipynb)\n"
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"(https://colab.research.google.com/github/{place}/blob/main/notebooks/00_start_here.ipynb)",
        "clone": f"```\ngit clone {address} && cd {place.split('/')[1]}\n```",
        "table": _table(root),
    }
    return _with_blocks(text, blocks, "README.md")


def teachers_path(root: Path = ROOT) -> Path:
    return root / "notebooks" / "for_teachers.md"


def teachers(root: Path = ROOT) -> str:
    """The teachers' page with its generated block written anew: a link for a JupyterHub to each notebook.

    The links are nbgitpuller's: its parameters are encoded, and `urlpath` begins with the folder that the
    repository is copied into, its own name (https://nbgitpuller.readthedocs.io, "Options in an nbgitpuller URL").
    """
    address = repository(root)
    folder, lines = address.rsplit("/", 1)[1], []
    for name in (name for name in CONTENTS if notebook_path(name, root).is_file()):
        place = quote(f"lab/tree/{folder}/notebooks/{name}.ipynb", safe="")
        lines.append(f"{HUB}/hub/user-redirect/git-pull?repo={quote(address, safe='')}&branch=main&urlpath={place}")
    block = "\n".join(["```", *lines, "```"])
    return _with_blocks(teachers_path(root).read_text("utf-8"), {"hub": block}, "notebooks/for_teachers.md")


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


def _table(root: Path) -> str:
    rows = ["| notebook | chapter | the question it answers | time |", "| --- | --- | --- | ---: |"]
    measures = measured(root)
    for name, (section, question) in CONTENTS.items():
        if notebook_path(name, root).is_file():
            time_ = f"{rounded(measures[name]['seconds'])} s" if name in measures else ""
            rows.append(f"| [{name}](notebooks/{name}.ipynb) | {section} | {question} | {time_} |")
    cores = sorted({f"{row['processor']}, {row['cores']} cores" for row in measures.values()})
    note = (
        f"\n\nThe times were measured without a GPU, start of the kernel included ({'; '.join(cores)})."
        if cores
        else ""
    )
    return "\n".join(rows) + note
