"""What a run looks like: what its model makes, the curves of its losses, and all of it on one page.

The page is one HTML file that needs nothing beside it: its pictures are inside, so it can be sent as it is.
"""

from __future__ import annotations

from base64 import b64encode
from copy import deepcopy
from html import escape
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from chapter10 import data, domains, figures, recipes
from chapter10.code_prior import CodePrior, sample_images
from chapter10.cyclegan import CycleGAN
from chapter10.dcgan import DCGANGenerator
from chapter10.errors import InputError
from chapter10.gan import Generator
from chapter10.nets import ConvGenerator
from chapter10.vae import VAE, Autoencoder
from chapter10.vqvae import VQVAE

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from chapter10.runs import Run

COLUMNS, DRAWN = 12, 48  # images in a row, and drawn from a prior
CLOCK = ("epoch", "step", "seconds")  # of a row, all else are parts of the loss
NATS = ("loss", "reconstruction", "kl", "d_loss", "g_loss", "features")
PROBABILITIES = ("d_real", "d_fake", "d_rebuilt", "d_drawn")
LINES = ("-", "--", ":", "-.")  # beyond as many runs as there are colours


@torch.no_grad()
def samples(model: nn.Module, images: data.Images, form: str, seed: int = 0) -> figures.Picture | None:
    """What a model makes: images drawn from its prior, reconstructions, translations; None of a classifier.

    Args:
        model: on any device, in any mode; a copy is looked at.
        form: of the recipe; where it is a pair of domains, the model translates between them.
        seed: of the codes, so that pictures of different epochs can be compared.
    """
    model = deepcopy(model).cpu().eval()
    source = torch.Generator().manual_seed(seed)
    rows = _rows(model, images, form, source)
    if not rows:
        return None
    heights = [-(-len(shown) // COLUMNS) for _, shown in rows]
    figure, axes = figures.new(1, 1, width=6.5, height=0.35 + 0.55 * sum(heights) + 0.35 * len(rows))
    figure.delaxes(axes)
    for panel, (title, shown) in zip(
        figure.subplots(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0], rows
    ):
        figures.draw_images(panel, shown, COLUMNS, title)
    said = "; ".join(f"{len(shown)} images, {title}" for title, shown in rows)
    return figures.Picture(figures.png(figure), f"What the model makes, in {len(rows)} parts: {said}.")


def _rows(
    model: nn.Module, images: data.Images, form: str, source: torch.Generator
) -> list[tuple[str, Tensor]]:
    """Titles, and images [N, D] in [0, 1]."""
    x = data.to_unit(images.test[:COLUMNS])
    if isinstance(model, (Generator, ConvGenerator, DCGANGenerator)):
        z = torch.randn(DRAWN, model.latent_dim, generator=source)
        return [("generated", data.signed_to_unit(model(z)))]
    if isinstance(model, CycleGAN):
        return _translated(model, domains.split(images, form))
    if isinstance(model, CodePrior):
        with torch.random.fork_rng():  # a network is drawn before it gets its stored weights
            codes_of = recipes.load(f"vqvae-{images.name}")
        return [("generated", sample_images(codes_of, model, DRAWN, source))]
    if isinstance(model, VQVAE):
        return [("test images", x), ("reconstructed", model.decode_codes(model.codes(x)).sigmoid())]
    if isinstance(model, VAE):
        z = torch.randn(DRAWN, model.latent_dim, generator=source)
        rebuilt, drawn = model.decode(model.encode(x)[0]).sigmoid(), model.decode(z).sigmoid()
        return [("test images", x), ("reconstructed", rebuilt), ("generated from the prior", drawn)]
    if isinstance(model, Autoencoder):
        return [("test images", x), ("reconstructed", model(x).sigmoid())]
    return []


def _translated(model: CycleGAN, pair: domains.Domains) -> list[tuple[str, Tensor]]:
    rows = []
    for here, there, start, test, read, read_there in (
        (pair.words.name_a, pair.words.name_b, "a", pair.test_a, pair.read_a, pair.read_b),
        (pair.words.name_b, pair.words.name_a, "b", pair.test_b, pair.read_b, pair.read_a),
    ):
        made, back = model.round_trip(data.to_signed(test[:COLUMNS]), start)
        unit = [data.signed_to_unit(x) for x in (made, back)]
        rows += [
            (here, read(data.to_unit(test[:COLUMNS]))),
            (f"translated into {there}", read_there(unit[0])),
            ("and back", read(unit[1])),
        ]
    return rows


def parts_of(rows: list[dict[str, float]]) -> list[str]:
    """The parts of the loss that a history has."""
    return [name for name in (rows[0] if rows else {}) if name not in CLOCK]


def unit_of(part: str, form: str) -> str:
    """What a part of the loss is measured in, of a recipe with images of that form; empty where it has no unit."""
    if part in PROBABILITIES:
        return "probability"
    return "nats" if part in NATS and form not in domains.PAIRS else ""  # CycleGAN's losses are squares


def curves(runs: list[tuple[str, str, list[dict[str, float]]]]) -> Figure:
    """The parts of the loss over the steps, a panel each, with a line for every run that has it.

    Args:
        runs: name, form of the recipe's images and history of each.
    Raises:
        InputError: where no run has a row yet.
    """
    parts = list(dict.fromkeys(part for _, _, rows in runs for part in parts_of(rows)))
    if not parts:
        raise InputError("There is nothing to draw: no run has finished an epoch yet. Wait for the first.")
    columns = min(3, len(parts))
    lines = -(-len(parts) // columns)
    figure, axes = figures.new(
        lines, columns, width=4.2 * columns, height=2.9 * lines + 0.25 * len(runs) * (len(runs) > 1)
    )
    panels = list(axes.flat) if len(parts) > 1 else [axes]
    colours = [figures.COLORS[name] for name in ("blue", "orange", "green", "red", "purple", "sky", "black")]
    with figures.style():
        for panel, part in zip(panels, parts):
            units = set()
            for i, (name, form, rows) in enumerate(runs):
                if part not in parts_of(rows):
                    continue
                units.add(unit_of(part, form))
                panel.plot(
                    [row["step"] for row in rows], [row[part] for row in rows], label=name,
                    color=colours[i % len(colours)], linestyle=LINES[i // len(colours) % len(LINES)],
                    marker="o", markersize=3.5 if len(rows) < 15 else 0,
                )  # fmt: skip
            unit = f" ({units.pop()})" if len(units) == 1 and units != {""} else ""
            panel.set(xlabel="step", ylabel=f"{part}{unit}")
        for panel in panels[len(parts) :]:
            figure.delaxes(panel)
        if len(runs) > 1:
            shown = {
                label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels())
            }
            figure.legend(shown.values(), shown.keys(), loc="outside lower left", ncols=1)
    return figure


def page(run: Run) -> str:
    """The run on one page of HTML, its pictures inside."""
    about, rows = run.about, run.rows()
    recipe = about["recipe"]
    scores = _table([(name, f"{value:.4g}") for name, value in about.get("scores", {}).items()])
    body = [
        f"<h1>{escape(recipe['name'])}</h1><p>{escape(recipe['about'])}</p>",
        _section("What it reached, on test images", scores),
        _section("What the model makes", _made(run.pictures())),
        _section("How training went", _curves(run.name, recipe["form"], rows)),
        _section("What was trained, with what", _table(_facts(run))),
        _section(
            "How to repeat it", REPEAT.format(command=escape(about["command"]), folder=escape(repr(run.name)))
        ),
    ]
    return PAGE.format(title=escape(f"{run.name}: {recipe['name']}"), body="\n".join(body))


def _curves(name: str, form: str, rows: list[dict[str, float]]) -> str:
    if not rows:
        return ""
    ends = (f"{part} from {rows[0][part]:.4g} to {rows[-1][part]:.4g}" for part in parts_of(rows))
    said = f"The parts of the loss over {rows[-1]['step']:,} steps: {', '.join(ends)}."
    return (
        _picture(figures.png(curves([(name, form, rows)])), said)
        + "<p>Each point is a mean over an epoch.</p>"
    )


def _made(paths: list[Path]) -> str:
    """The last picture, and the earlier ones folded away: a page should be one."""
    shown = []
    for path in paths:
        epochs = int(path.stem.split("-")[1])
        after = f"After {epochs} epoch{'s' if epochs > 1 else ''}"
        alt = f"{after}: images that the model made, with titles over each kind."
        shown.append(f"<h3>{after}</h3>{_picture(path.read_bytes(), alt)}")
    if len(shown) < 2:
        return "".join(shown)
    return f"{shown[-1]}<details><summary>Earlier in training</summary>{''.join(shown[-2::-1])}</details>"


def _facts(run: Run) -> list[tuple[str, Any]]:
    about, recipe = run.about, run.about["recipe"]
    plan, machine = about["plan"], about["machine"]
    facts = [
        ("recipe", f"{recipe['name']}, scale {plan['scale']}, seed {plan['seed']}"),
        (
            "training",
            f"{recipe['epochs']} epochs in batches of {recipe['batch_size']}, rate {recipe['lr']:g} ({recipe['schedule']})",
        ),
        *[(name, f"{value:g}") for name, value in recipe["constants"].items()],
        ("precision", f"{recipe.get('precision', 'float32')}{', compiled' * recipe.get('compile', False)}"),
        ("parameters", f"{about['parameters']:,}"),
        ("time", f"{about['seconds']:,.1f} s of training, begun {about['started']}, ended {about['ended']}"),
        (
            "device",
            f"{plan['device']}, {plan['threads']} threads ({machine['processor']}, {machine['system']})",
        ),
        ("versions", ", ".join(f"{name} {value}" for name, value in about["versions"].items())),
        (
            "data",
            f"{about['data']['name']}, {about['data']['training_images']:,} training images ({about['data']['source']})",
        ),
    ]
    return facts + [(f"SHA-256 of {name}", value) for name, value in about["data"]["sha256"].items()]


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""


def _table(rows: list[tuple[str, Any]]) -> str:
    if not rows:
        return ""
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(str(value))}</td></tr>' for name, value in rows
    )
    return f"<table>{lines}</table>"


def _picture(content: bytes, alt: str) -> str:
    return f'<img alt="{escape(alt)}" src="data:image/png;base64,{b64encode(content).decode()}">'


REPEAT = """<pre>{command}</pre>
<p>With the same versions, data and number of threads, on the same kind of machine, it comes to the very same weights.
To use them, where the folder of the run is:</p>
<pre>from chapter10 import runs
model = runs.load({folder})</pre>"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff; }}
h1, h2 {{ line-height: 1.2; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top; font-weight: normal; overflow-wrap: anywhere; }}
th {{ color: #555; white-space: nowrap; }}
img {{ max-width: 100%; height: auto; }}
pre {{ background: #f4f4f4; padding: .6rem; white-space: pre-wrap; overflow-wrap: anywhere; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
