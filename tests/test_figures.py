"""Pictures: small, with words for who can't see them, exact in their layout, and in colours that stay apart."""

import base64
import io
import itertools
import re
import warnings

import matplotlib.pyplot
import nbclient
import nbformat
import numpy
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from PIL import Image

from chapter10 import figures
from chapter10.errors import InputError
from chapter10.figures import CLASS_COLORS, COLORS, Picture, draw_images, draw_latent_plane, new, png, tile


def figure(points=50):
    made, axes = new()
    axes.plot(range(points))
    return made


def opened(content):
    image = Image.open(io.BytesIO(content))
    image.verify()
    return Image.open(io.BytesIO(content))


# Files


def test_a_png_is_valid_small_and_as_wide_as_asked():
    content = png(figure())
    image = opened(content)
    assert image.format == "PNG" and len(content) < 20_000
    assert abs(image.width - 900) < 40 and abs(image.height - 360) < 40
    assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_a_sheet_of_grey_noise_stays_small():
    made, axes = new(height=3)
    draw_images(axes, torch.rand(60, 784), columns=20)
    assert len(png(made)) < 120_000


def test_figures_leave_pyplot_and_its_settings_alone():
    before = dict(matplotlib.rcParams)
    png(figure())
    with figures.style():
        assert matplotlib.rcParams["axes.spines.top"] is False
    assert matplotlib.pyplot.get_fignums() == [] and dict(matplotlib.rcParams) == before


def test_a_figure_is_drawn_in_this_look():
    made, axes = new(2, 3)
    assert axes.shape == (2, 3) and made.dpi == figures.DPI
    lines = [axes[0, 0].plot([k, k])[0].get_color() for k in range(5)]
    assert lines == [COLORS[name] for name in ("blue", "orange", "green", "red", "purple")]
    assert not axes[1, 2].spines["top"].get_visible() and made.get_facecolor() == (1, 1, 1, 1)


# Words


def test_a_picture_carries_its_words_where_jupyterlab_shows_them():
    data = Picture(png(figure()), 'A line\n   that rises by "1" < 2.')._repr_mimebundle_()
    assert data["text/plain"] == 'A line that rises by "1" < 2.' and set(data) == {"text/html", "text/plain"}
    assert 'alt="A line that rises by &quot;1&quot; &lt; 2."' in data["text/html"]
    picture = opened(base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', data["text/html"])[1]))
    assert f'width="{picture.width}" height="{picture.height}"' in data["text/html"]
    with pytest.raises(InputError, match="is a PNG; these bytes are none"):
        figures.size_of(b"some bytes")


@pytest.mark.parametrize("alt", ["", "   ", "\n"])
def test_a_picture_without_words_is_refused(alt):
    with pytest.raises(InputError, match="needs alt text"):
        Picture(b"", alt)
    with pytest.raises(InputError, match="needs alt text"):
        figures.show(figure(), alt)


# Sheets


@pytest.mark.parametrize("pad", [0, 1, 3])
def test_a_sheet_is_laid_out_exactly(pad):
    images = torch.rand(5, 4, 6)
    images[0, 0, 0] = 1
    sheet = tile(images, columns=3, pad=pad)
    assert sheet.shape == (2 * (4 + pad) + pad, 3 * (6 + pad) + pad)
    covered = torch.zeros_like(sheet, dtype=torch.bool)
    for i, image in enumerate(images):
        top, left = pad + (i // 3) * (4 + pad), pad + (i % 3) * (6 + pad)
        assert torch.equal(sheet[top : top + 4, left : left + 6], image)
        covered[top : top + 4, left : left + 6] = True
    assert covered.sum() == 5 * 24 and (sheet[~covered] == 1).all()  # the place of the sixth is empty


def test_flat_images_are_squares():
    images = torch.rand(3, 784)
    assert torch.equal(tile(images, 2), tile(images.view(3, 28, 28), 2))
    assert tile(torch.zeros(2, 9, dtype=torch.uint8), 5, pad=1).shape == (5, 21)
    assert tile(images, 1).shape == (92, 32) and tile(images, 3).shape == (32, 92)  # full rows, none to spare


@pytest.mark.parametrize("shape, columns", [((0, 784), 3), ((3, 784), 0), ((784,), 3), ((2, 1, 28, 28), 3)])
def test_what_makes_no_sheet_is_refused(shape, columns):
    with pytest.raises(InputError, match=r"A sheet needs images \[N, 784\] or \[N, H, W\]"):
        tile(torch.zeros(shape), columns)


def test_images_that_are_not_square_are_refused():
    with pytest.raises(InputError, match="785 pixels are not square"):
        tile(torch.zeros(2, 785), 2)


@pytest.mark.filterwarnings("error")
def test_ink_is_black_on_white():
    made, axes = new()
    draw_images(axes, torch.stack([torch.zeros(16), torch.ones(16)]), columns=2, title="Two")
    shown = torch.as_tensor(numpy.asarray(axes.images[0].get_array()))
    assert (shown[2:6, 2:6] == 1).all() and (shown[2:6, 8:12] == 0).all() and (shown[:2] == 1).all()
    assert axes.images[0].get_clim() == (0, 1) and axes.get_title(loc="left") == "Two"


# The latent plane


def test_the_latent_plane_names_each_class_at_its_median():
    codes = torch.tensor([[0.0, 0.0], [1.0, 2.0], [8.0, 4.0], [9.0, -9.0]], requires_grad=True)
    made, axes = new()
    draw_latent_plane(axes, codes.detach(), torch.tensor([3, 3, 3, 7]))
    assert [(text.get_text(), text.get_position()) for text in axes.texts] == [("3", (1, 2)), ("7", (9, -9))]
    colours = [tuple(points.get_facecolor()[0][:3]) for points in axes.collections]
    assert colours == [to_rgb(CLASS_COLORS[3]), to_rgb(CLASS_COLORS[7])]
    assert axes.get_aspect() == 1


def test_the_latent_plane_stays_small_with_many_points():
    made, axes = new()
    draw_latent_plane(axes, torch.randn(5000, 2), torch.zeros(5000, dtype=torch.int64), points=1000)
    assert len(axes.collections[0].get_offsets()) == 100


@pytest.mark.parametrize("shape", [(5, 3), (5,), (5, 1), (2, 2, 2)])
def test_the_latent_plane_has_two_dimensions(shape):
    with pytest.raises(InputError, match=r"codes \[N, 2\], found"):
        draw_latent_plane(new()[1], torch.zeros(shape), torch.zeros(5, dtype=torch.int64))


# Colours

# Machado, Oliveira and Fernandes 2009, table 1, severity 1, for linear RGB.
BLINDNESS = {
    "none": numpy.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = numpy.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])


def linear(colour):
    rgb = numpy.array(to_rgb(colour))
    return numpy.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB of linear RGB, with white at (100, 0, 0)."""
    ratio = XYZ @ rgb.clip(0, 1) / XYZ.sum(1)
    f = numpy.where(ratio > (6 / 29) ** 3, numpy.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return numpy.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def nearest(colours, blindness):
    seen = [lab(numpy.array(BLINDNESS[blindness]) @ linear(colour)) for colour in colours]
    return min(numpy.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))


def test_the_simulation_knows_what_is_confused():
    assert lab(linear("white")) == pytest.approx([100, 0, 0], abs=0.01)
    assert lab(linear("#ff0000")) == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    for matrix in BLINDNESS.values():
        assert numpy.array(matrix) @ numpy.ones(3) == pytest.approx([1, 1, 1], abs=1e-5)  # grey stays grey
    red_and_green = ["#c04040", "#228833"]
    assert nearest(red_and_green, "none") > 90 and nearest(red_and_green, "deuteranopia") < 5


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_the_colours_of_lines_stay_apart(blindness):
    """15 is several times what an eye tells apart in large patches; lines are thin. Pale ones are lost on white."""
    cycle = figures._cycle()
    assert nearest(cycle, blindness) > 15
    assert max(lab(linear(colour))[0] for colour in cycle) < 75


def test_classes_have_ten_colours_that_show_a_white_digit():
    assert len({*CLASS_COLORS}) == 10
    assert all(lab(linear(colour))[0] < 75 for colour in CLASS_COLORS)


# A real kernel


@pytest.fixture(scope="module")
def outputs():
    cells = [
        "from chapter10.figures import Picture, Redrawn, new, png, show\nfigure, axes = new()\naxes.plot([0, 1]);",
        "show(figure, 'A line that rises.')",
        "Picture(png(figure), 'The same.')",
        "again = Redrawn()\nfor k in range(3):\n    again.show(figure, f'Line {k}.')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    return [cell.outputs for cell in notebook.cells]


@pytest.mark.parametrize("cell, alt", [(1, "A line that rises."), (2, "The same.")])
def test_a_kernel_shows_a_picture_once_with_its_words(outputs, cell, alt):
    [output] = outputs[cell]
    assert output.data["text/plain"] == alt and f'alt="{alt}"' in output.data["text/html"]


def test_a_picture_is_redrawn_in_place(outputs):
    [output] = outputs[3]
    assert output.data["text/plain"] == "Line 2." and 'alt="Line 2."' in output.data["text/html"]


def test_a_figure_made_is_not_shown_by_itself(outputs):
    assert [output for output in outputs[0] if output.output_type != "stream"] == []


def drawn_with_chinese() -> "figures.Figure":
    figure, axes = figures.new()
    axes.plot([1, 2], label="损失 loss")
    axes.set(title="潜在空间", xlabel="z₁ 轴", xticks=[0, 1], xticklabels=["甲 a", "乙"])
    axes.text(0, 1, "说明")
    axes.legend()
    return figure


def test_chinese_labels_take_a_font_that_has_them(monkeypatch):
    monkeypatch.setattr(figures, "chinese_font", lambda: "STIXGeneral")  # any font that is there
    figure = drawn_with_chinese()
    figures.spell(figure)
    families = {text.get_text(): text.get_fontfamily() for text in figure.findobj(Text) if figures.CHINESE.search(text.get_text())}
    assert families.keys() == {"损失 loss", "潜在空间", "z₁ 轴", "甲 a", "乙", "说明"}
    assert all(family[-1] == "STIXGeneral" and len(family) == 2 for family in families.values())


def test_where_no_font_has_them_labels_are_without_and_nothing_warns(monkeypatch):
    monkeypatch.setattr(figures, "chinese_font", lambda: None)
    figure = drawn_with_chinese()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures.png(figure)
    left = {text.get_text().strip() for text in figure.findobj(Text)} - {""}
    assert {"loss", "z₁", "a"} <= left and not any(figures.CHINESE.search(text) for text in left)


def test_a_font_is_looked_for_among_those_that_are_there(monkeypatch):
    figures.chinese_font.cache_clear()
    there = figures.chinese_font()
    assert there is None or there in figures.CHINESE_FONTS
    figures.chinese_font.cache_clear()
    monkeypatch.setattr(figures, "CHINESE_FONTS", ("No Such Font", "DejaVu Sans"))
    assert figures.chinese_font() == "DejaVu Sans"
    figures.chinese_font.cache_clear()


def test_the_projects_own_pictures_are_held_to_english(monkeypatch):
    monkeypatch.setenv(figures.AUTHORING, "1")
    with pytest.raises(InputError, match="keep it in English"):
        figures.png(drawn_with_chinese())
    figure, axes = figures.new()
    axes.set(xticks=[0, 1], xticklabels=["甲", "b"])
    with pytest.raises(InputError, match="'甲'"):
        figures.png(figure)
