"""Rendered shapes: the factors are in the picture, and nothing else is."""

import math

import pytest
import torch

from chapter10 import data, shapes
from chapter10.errors import InputError
from chapter10.metrics import sharpness

COUNT = 8_100


@pytest.fixture(scope="module")
def whole():
    return shapes.load()


def middle(images):
    """The centre of mass (x, y) of each image, in pixels from the left and upper edge."""
    unit = images.double()
    ink = unit.sum((1, 2))
    at = torch.arange(shapes.SIDE) + 0.5
    return torch.stack([(unit.sum(1) * at).sum(1), (unit.sum(2) * at).sum(1)], 1) / ink.unsqueeze(1)


def test_the_grid_has_each_combination_once(whole):
    assert whole.images.shape == (COUNT, 28, 28) and whole.images.dtype == torch.uint8
    assert len(whole.factors.unique(dim=0)) == COUNT == math.prod(shapes.FACTORS.values())
    assert [len(column.unique()) for column in whole.factors.T] == list(shapes.FACTORS.values())
    assert len(whole.images.flatten(1).unique(dim=0)) == COUNT  # no two combinations look the same


def test_the_centre_of_mass_is_where_the_factors_say(whole):
    x, y = whole.factors[:, 3], whole.factors[:, 4]
    expected = torch.stack([x + 10, y + 12], 1).double()
    torch.testing.assert_close(middle(whole.images), expected, rtol=0, atol=0.03)


def test_all_shapes_of_a_scale_have_the_same_area(whole):
    area = whole.images.double().sum((1, 2)) / 255
    side = torch.tensor(shapes.SIZES, dtype=torch.float64)[whole.factors[:, 1]]
    assert ((area / side.square() - 1).abs() < 0.015).all()  # so none is cut off at an edge, either


def test_the_second_moments_are_those_of_the_shapes():
    """Of a square, the same in all directions; of the ellipse, 4 : 1 along axes that turn by 9° against the clock."""
    for turn in (0, 3, 7):
        factors = torch.tensor([[0, 5, turn, 4, 2], [1, 5, turn, 4, 2]])
        image = shapes.render(factors).double()
        at = torch.arange(28) + 0.5 - 14
        ink = image.sum((1, 2))
        xx = (image * at.square()).sum((1, 2)) / ink
        yy = (image * at.square().unsqueeze(1)).sum((1, 2)) / ink
        xy = -(image * at * at.unsqueeze(1)).sum((1, 2)) / ink  # y upwards
        assert (xx[0]).item() == pytest.approx(12**2 / 12, rel=0.03)
        assert (yy[0]).item() == pytest.approx(12**2 / 12, rel=0.03)
        assert xy[0].item() == pytest.approx(0, abs=0.05)
        half = torch.tensor([[xx[1], xy[1]], [xy[1], yy[1]]])
        spread, axes = torch.linalg.eigh(half)
        assert (spread[1] / spread[0]).item() == pytest.approx(4, rel=0.05)
        angle = math.degrees(math.atan2(axes[1, 1], axes[0, 1])) % 180
        assert min(abs(angle - 9 * turn), 180 - abs(angle - 9 * turn)) < 1


def test_a_heart_is_upright_wide_above_and_pointed_below():
    heart = shapes.tiles()[2, 5, 0].double()
    torch.testing.assert_close(heart, heart.flip(1))
    width = (heart > 127).sum(1)
    rows = width.nonzero().flatten()
    assert width[: shapes.TILE // 2].max() > 10 and width[rows[-1]] <= 3
    assert heart[rows[0], shapes.TILE // 2] < heart[rows[0]].max()  # the notch between the two halves


def test_the_heart_s_constants_are_its_area_and_its_middle():
    axis = (torch.arange(2000, dtype=torch.float64) + 0.5) / 1000 - 1
    v, u = torch.meshgrid(axis, axis, indexing="ij")
    for kind in shapes.KINDS:
        found = shapes.inside(kind, u, v)
        assert found.double().mean().item() * 4 == pytest.approx(1, abs=2e-3)
        assert u[found].mean().abs() < 1e-9 and v[found].mean().abs() < 1e-3


def test_a_draw_repeats_and_is_a_part_of_the_grid(whole):
    state = torch.get_rng_state()
    one, same, other = shapes.load(50, 3), shapes.load(50, 3), shapes.load(50, 4)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(one.images, same.images) and torch.equal(one.factors, same.factors)
    assert not torch.equal(one.factors, other.factors)
    assert len(one.factors.unique(dim=0)) == 50
    sizes = list(shapes.FACTORS.values())
    place = one.factors[:, 0]
    for column, size in zip(one.factors.T[1:], sizes[1:]):
        place = place * size + column
    assert torch.equal(whole.images[place], one.images)
    assert torch.equal(shapes.render(one.factors), one.images)


def test_the_split_shares_no_image_and_works_with_batches():
    found = shapes.split()
    assert (len(found.train), len(found.test), found.title) == (7_140, 960, "rendered shapes")
    assert len(torch.cat([found.train, found.test]).flatten(1).unique(dim=0)) == COUNT
    assert found.test_labels.unique().tolist() == [0, 1, 2] and len(found.train_labels) == 7_140
    x = next(iter(data.Batches(found.train, 64)))
    assert x.shape == (64, 784) and set(x.unique().tolist()) == {0, 1}
    assert torch.equal(found.train, shapes.split().train)
    assert 0.3 < sharpness(data.to_unit(found.test)).mean < 1


def test_other_numbers_and_factors_are_refused():
    for count in (0, -1, COUNT + 1, 2.0, "10"):
        with pytest.raises(InputError, match="shapes were asked for; give a whole number from 1 to 8,100"):
            shapes.load(count)
    with pytest.raises(InputError, match="factor 'rotation' has the values 0 to 9, found 10 to 10"):
        shapes.render(torch.tensor([[0, 0, 10, 0, 0]]))
    with pytest.raises(InputError, match="'x' has the values 0 to 8, found -1 to 0"):
        shapes.render(torch.tensor([[0, 0, 0, -1, 0], [0, 0, 0, 0, 0]]))
    for bad in (torch.zeros(2, 4, dtype=torch.int64), torch.zeros(2, 5), torch.zeros(5, dtype=torch.int64)):
        with pytest.raises(InputError, match=r"Factors are whole numbers \[N, 5\], int64"):
            shapes.render(bad)
    with pytest.raises(InputError, match="no shape 'star'. Choose one of: square, ellipse, heart"):
        shapes.inside("star", torch.zeros(1), torch.zeros(1))
