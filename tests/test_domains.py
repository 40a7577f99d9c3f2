"""chapter10.domains: unpaired where it trains, paired where it is measured, and translations done by hand."""

import pytest
import torch

from chapter10 import data, domains
from chapter10.domains import UnpairedBatches
from chapter10.errors import InputError


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module", params=domains.PAIRS)
def made(request, digits):
    return domains.split(digits, request.param)


def numbered(count, base, shape=(2, 3)):
    """Images of one grey level each, base, base + 1, …: told apart by their first pixel."""
    level = torch.arange(base, base + count, dtype=torch.uint8)
    return level.view(-1, *[1] * len(shape)).expand(-1, *shape).clone()


def levels(x):
    """The first pixel's byte of each half of a batch."""
    a, b = x.chunk(2, 1)
    return [(half[:, 0] * 127.5 + 127.5).round().int().tolist() for half in (a, b)]


# Domains


def test_no_training_image_stands_in_both_and_all_are_used(made, digits):
    assert len(made.a) == len(made.a_from) and len(made.b) == len(made.b_from)
    both = torch.cat([made.a_from, made.b_from])
    assert torch.equal(
        both.sort().values, torch.arange(len(digits.train))
    )  # a permutation: none twice, none left out
    assert abs(len(made.a) - len(made.b)) <= 1


def test_training_images_are_what_the_pair_makes_of_the_images_named(made, digits):
    words = domains.PAIRS[made.pair]
    assert torch.equal(made.a, words.to_a(digits.train[made.a_from]))
    assert torch.equal(made.b, words.to_b(digits.train[made.b_from]))
    assert made.a.dtype == made.b.dtype == torch.uint8 and made.a.shape[1:] == made.b.shape[1:]


def test_both_domains_have_all_classes_in_like_shares(made, digits):
    shares = [
        digits.train_labels[f].bincount(minlength=10).double() / len(f) for f in (made.a_from, made.b_from)
    ]
    assert (shares[0] - shares[1]).abs().max() < 0.04


def test_test_images_are_aligned_with_their_translation_and_label(made, digits):
    words = domains.PAIRS[made.pair]
    assert torch.equal(made.test_a, words.to_a(digits.test)) and torch.equal(
        made.test_b, words.to_b(digits.test)
    )
    assert torch.equal(made.labels, digits.test_labels)


def test_sizes_are_those_of_the_rows(made):
    assert made.channels == (3 if made.pair == "colour" else 1) and made.size == 784 * made.channels
    assert next(iter(made.batches(8))).shape == (8, 2 * made.size)


def test_the_classifier_reads_the_digit_that_was_there(made, digits):
    unit = data.to_unit(digits.test)
    assert torch.allclose(made.read_a(data.to_unit(made.test_a)), unit, atol=1e-6)
    read = made.read_b(data.to_unit(made.test_b))
    if made.pair == "outlines":
        assert torch.equal(read, data.to_unit(made.test_b))
    else:
        assert (read - unit).abs().max() < 1 / 255  # colours are rounded to bytes


def test_the_same_seed_splits_alike_and_another_does_not(digits):
    first, again, other = (domains.split(digits, "rotated", seed) for seed in (3, 3, 4))
    assert torch.equal(first.a, again.a) and not torch.equal(first.a_from, other.a_from)


def test_splitting_leaves_torchs_random_numbers_alone(digits):
    before = torch.random.get_rng_state()
    domains.split(digits)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_load_is_split_of_the_data_asked_for(digits, capsys):
    assert torch.equal(domains.load("rotated", "digits").b, domains.split(digits, "rotated").b)
    assert "inside scikit-learn" in capsys.readouterr().out


# Known translations


def test_an_outline_by_hand():
    image = torch.zeros(1, 5, 5, dtype=torch.uint8)
    image[0, 2, 2], image[0, 2, 3] = 200, 80
    want = [
        [0, 0, 0, 0, 0],
        [0, 200, 200, 200, 80],
        [0, 200, 0, 120, 80],
        [0, 200, 200, 200, 80],
        [0, 0, 0, 0, 0],
    ]
    assert domains.outline(image)[0].tolist() == want


def test_inside_a_broad_stroke_an_outline_is_black_and_a_blank_image_has_none():
    square = torch.zeros(1, 9, 9, dtype=torch.uint8)
    square[0, 3:6, 3:6] = 255
    line = domains.outline(square)[0]
    assert line[3:6, 3:6].sum() == 0 and (line == 255).sum() == 25 - 9 and line.sum() == 16 * 255
    assert domains.outline(torch.full((1, 9, 9), 7, dtype=torch.uint8)).sum() == 0


def test_black_becomes_paper_and_white_becomes_ink():
    pixels = torch.tensor([[[0, 255, 51]]], dtype=torch.uint8)
    black, paper = domains.on_black(pixels)[0, 0], domains.on_paper(pixels)[0, 0]
    assert black.tolist() == [[0] * 3, [255] * 3, [51] * 3]
    assert paper[0].tolist() == list(domains.PAPER) and paper[1].tolist() == list(domains.INK)
    fifth = [round(p + 0.2 * (i - p)) for p, i in zip(domains.PAPER, domains.INK)]
    assert paper[2].tolist() == fifth


def test_a_quarter_turn_moves_the_upper_right_corner_to_the_upper_left():
    image = torch.tensor([[[1, 2], [3, 4]]], dtype=torch.uint8)
    assert domains.turned(image)[0].tolist() == [[2, 4], [1, 3]]


def test_colours_off_the_line_between_paper_and_ink_are_read_as_the_nearest_on_it():
    way = torch.tensor(domains.INK) - torch.tensor(domains.PAPER)
    across = torch.linalg.cross(way.float(), torch.tensor([1.0, 0.0, 0.0]))
    x = (torch.tensor(domains.PAPER) + 0.5 * way + 20 * across / across.norm()) / 255
    words = domains.PAIRS["colour"]
    assert words.read_b(x.unsqueeze(0)).item() == pytest.approx(0.5, abs=1e-6)
    assert words.read_b(torch.tensor([[1.0, 1.0, 1.0]])).item() == 0  # brighter than paper


# Batches


def test_an_epoch_shows_each_image_of_both_domains_once_in_orders_of_their_own():
    torch.manual_seed(0)
    batches = UnpairedBatches(numbered(40, 0), numbered(40, 100), 8)
    seen = [levels(x) for x in batches]
    a, b = (sum((pair[i] for pair in seen), []) for i in (0, 1))
    assert len(batches) == 5 and sorted(a) == list(range(40)) and sorted(b) == list(range(100, 140))
    assert a != sorted(a) and [value - 100 for value in b] != a


def test_the_smaller_domain_starts_anew_as_often_as_it_must():
    torch.manual_seed(0)
    batches = UnpairedBatches(numbered(4, 0), numbered(21, 100), 3)
    seen = [levels(x) for x in batches]
    a, b = (sum((pair[i] for pair in seen), []) for i in (0, 1))
    assert len(batches) == 7 and sorted(b) == list(range(100, 121))
    assert all(sorted(a[i : i + 4]) == [0, 1, 2, 3] for i in range(0, 20, 4))
    assert len({tuple(a[i : i + 4]) for i in range(0, 20, 4)}) > 1


def test_an_image_meets_another_one_in_the_next_epoch_and_the_seed_decides():
    batches = UnpairedBatches(numbered(30, 0), numbered(30, 100), 30)
    torch.manual_seed(5)
    first, second = next(iter(batches)), next(iter(batches))
    torch.manual_seed(5)
    assert torch.equal(first, next(iter(batches))) and not torch.equal(first, second)
    assert dict(zip(*levels(first))) != dict(zip(*levels(second)))


def test_a_batch_holds_bytes_in_minus_one_to_one_a_first():
    a, b = torch.tensor([[[0, 255]]], dtype=torch.uint8), torch.tensor([[[51, 102]]], dtype=torch.uint8)
    [x] = UnpairedBatches(a, b, 1)
    assert x.dtype == torch.float32 and torch.allclose(x, torch.tensor([[-1.0, 1.0, -0.6, -0.2]]))


def test_channels_stand_last_in_a_row():
    a = torch.zeros(1, 1, 2, 3, dtype=torch.uint8)
    a[0, 0, 1] = torch.tensor([0, 51, 255])
    [x] = UnpairedBatches(a, a.clone(), 1)
    assert torch.allclose(x[0, 3:6], torch.tensor([-1.0, -0.6, 1.0]))


# Bad luck


@pytest.mark.parametrize(
    "a, b, size, message",
    [
        (numbered(4, 0), numbered(4, 0, (3, 3)), 2, r"An image of A is 2×3 in grey, one of B 3×3 in grey: .*Resize"),
        (numbered(4, 0), numbered(4, 0, (2, 3, 3)), 2, r"A is 2×3 in grey, one of B 2×3 with 3 channels.*on_black"),
        (numbered(0, 0), numbered(4, 0), 2, r"Domain A is empty \(\[0, 2, 3\]\): give images of both"),
        (numbered(4, 0), numbered(0, 0), 2, "Domain B is empty"),
        (numbered(4, 0).float(), numbered(4, 0), 2, "Domain A must be bytes .* found torch.float32"),
        (numbered(4, 0).flatten(1), numbered(4, 0), 2, r"Domain A must be bytes .*\[4, 6\]"),
        (numbered(9, 0), numbered(4, 0), 5, "batch size is 5, but A has 9 images and B 4: give at most 4"),
        (numbered(4, 0), numbered(4, 0), 0, "batch_size is 0; give a whole number from 1 up"),
    ],
)  # fmt: skip
def test_domains_that_cannot_be_batched_are_named(a, b, size, message):
    with pytest.raises(InputError, match=message):
        UnpairedBatches(a, b, size)


def test_a_pair_that_is_not_known_and_too_few_images(digits):
    with pytest.raises(InputError, match="'horses' is not known. Choose one of: outlines, colour, rotated"):
        domains.load("horses", "digits")
    one = data.Images(
        "digits", digits.train[:1], digits.train_labels[:1], digits.test, digits.test_labels, ""
    )
    with pytest.raises(InputError, match="two training images or more, found 1: one of them would be empty"):
        domains.split(one)
