"""chapter10.metrics.translation on translators whose scores are known: the right one, none, a swap, a fixed offset."""

from dataclasses import replace

import pytest
import torch

from chapter10 import data, domains, metrics, recipes
from chapter10.errors import InputError
from chapter10.metrics import class_agreement, pixel_error, translation_scores


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def judge():
    return recipes.judge("classifier-digits")


@pytest.fixture(scope="module", params=domains.PAIRS)
def pair(request, digits):
    return domains.split(digits, request.param)


class Table:
    """The translator that knows each image of `source` and gives the one of `target` in its place."""

    def __init__(self, source, target):
        self.source, self.target = data.to_signed(source), data.to_signed(target)

    def __call__(self, x):
        return self.target[torch.cdist(x, self.source).argmin(1)]


def as_it_is(x):
    return x


# The parts


def test_pixel_error_by_hand():
    images, known = torch.tensor([[0.0, 1.0], [0.25, 0.5]]), torch.tensor([[0.0, 0.0], [0.25, 0.5]])
    assert pixel_error(images, known).tolist() == pytest.approx([0.5**0.5, 0.0])
    assert torch.equal(pixel_error(known, images), pixel_error(images, known))


def test_agreement_counts_places_where_the_labels_are_equal(judge, digits):
    x = data.to_unit(digits.test[:100])
    labels = judge.labels(x)
    assert class_agreement(judge, x, x) == 1
    assert class_agreement(judge, x, x.roll(1, 0)) == (labels == labels.roll(1)).double().mean().item() < 0.3


@pytest.mark.parametrize(
    "images, known, message",
    [
        (torch.zeros(3, 4), torch.zeros(2, 4), r"one shape, found \[3, 4\] and \[2, 4\]"),
        (torch.zeros(3, 2, 2), torch.zeros(3, 2, 2), r"two tensors \[N, D\]"),
        (torch.full((3, 4), -1.0), torch.zeros(3, 4), r"must lie in \[0, 1\]"),
        (torch.zeros(3, 4), torch.full((3, 4), 255.0), r"must lie in \[0, 1\]"),
    ],
)
def test_what_is_no_pair_of_images_is_refused(images, known, message):
    with pytest.raises(InputError, match=message):
        pixel_error(images, known)


def test_images_that_do_not_belong_together_are_refused(judge):
    with pytest.raises(InputError, match="one by one, found 3 and 2"):
        class_agreement(judge, torch.zeros(3, 784), torch.zeros(2, 784))


# The whole


@pytest.mark.parametrize("start", ["a", "b"])
def test_the_known_translation_scores_perfectly(pair, judge, start):
    a, b = (pair.test_a, pair.test_b) if start == "a" else (pair.test_b, pair.test_a)
    found = translation_scores(Table(a, b), Table(b, a), pair, judge, start)
    assert (found.error, found.agreement, found.cycle_error, found.cycle_agreement) == (0, 1, 0, 1)
    assert found.count == len(pair.labels) == 360
    assert found.untranslated_error > 0.1 and found.untranslated_agreement < 0.6


@pytest.mark.parametrize("start", ["a", "b"])
def test_doing_nothing_scores_what_stands_beside_and_its_cycle_is_perfect(pair, judge, start):
    found = translation_scores(as_it_is, as_it_is, pair, judge, start)
    assert found.error == found.untranslated_error and found.agreement == found.untranslated_agreement
    assert found.cycle_error == 0 and found.cycle_agreement == 1


def test_a_swap_has_a_perfect_cycle_and_is_wrong(digits, judge):
    """Each image gets the right outline of the image after it: the outlines are all right, and none is its own."""
    made = domains.split(digits, "outlines")
    there, back = Table(made.test_a, made.test_b.roll(-1, 0)), Table(made.test_b.roll(-1, 0), made.test_a)
    found = translation_scores(there, back, made, judge)
    assert found.cycle_error == 0 and found.cycle_agreement == 1
    unit = data.to_unit(made.test_b)
    seen = judge.labels(unit)
    assert found.error == pytest.approx(pixel_error(unit, unit.roll(-1, 0)).mean().item())
    assert found.agreement == (seen == seen.roll(-1)).double().mean().item() < 0.3


def test_there_right_and_back_to_another_image_is_read_in_the_domain_it_came_from(digits, judge):
    made = domains.split(digits, "rotated")
    for start, (x, y) in {"a": (made.test_a, made.test_b), "b": (made.test_b, made.test_a)}.items():
        found = translation_scores(Table(x, y), Table(y, x.roll(-1, 0)), made, judge, start)
        seen = judge.labels(data.to_unit(made.test_a))  # turned ones are turned back before they are read
        assert (
            found.agreement == 1 and found.cycle_agreement == (seen == seen.roll(-1)).double().mean().item()
        )


def test_an_offset_goes_once_into_the_error_and_twice_into_the_cycle(digits, judge):
    """White loses 0.2 of [−1, 1] each way and black nothing: a tenth of [0, 1] there, a fifth there and back, on white pixels."""
    made = domains.split(digits, "rotated")
    white = (made.test_a[:5] > 127).to(torch.uint8) * 255  # upright and turned alike, black and white only
    made = replace(made, test_a=white, test_b=white, labels=made.labels[:5])
    share = white.flatten(1).double().mean(1).div(255).sqrt().mean().item()  # of white pixels, its root
    found = translation_scores(lambda x: x - 0.2 * (x > 0), lambda x: x - 0.2 * (x > 0), made, judge)
    assert found.error == pytest.approx(0.1 * share) and found.cycle_error == pytest.approx(0.2 * share)
    assert found.untranslated_error == 0


def test_colours_are_judged_by_the_digit_that_is_written_in_them(digits, judge):
    made = domains.split(digits, "colour")
    white_on_black = judge.labels(made.read_a(data.to_unit(made.test_a)))
    assert torch.equal(white_on_black, judge.labels(made.read_b(data.to_unit(made.test_b))))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"start": "c"}, "start is 'c'; give 'a' or 'b'"),
        ({"count": 0}, "0 test images were asked for; there are 1 to 360"),
        ({"count": 361}, "361 test images"),
        ({"there": lambda x: x[:, :10]}, r"`there` must give rows \[360, 784\], found \[360, 10\]"),
        ({"back": lambda x: x[:5]}, r"`back` must give rows"),
        ({"there": lambda x: 3 * x}, r"Images in \[−1, 1\] were expected"),
        ({"there": lambda x: x * float("nan")}, r"Images in \[−1, 1\] were expected"),
    ],
)
def test_what_cannot_be_measured_is_said(digits, judge, settings, message):
    made = domains.split(digits, "outlines")
    with pytest.raises(InputError, match=message):
        translation_scores(
            **{"there": as_it_is, "back": as_it_is, "domains": made, "judge": judge} | settings
        )


def test_the_scores_say_themselves_beside_the_untranslated_ones():
    text = repr(metrics.TranslationScores(0.12, 0.31, 0.93, 0.42, 0.05, 0.97, 1234))
    assert "93.0 % keep their class (untranslated 42.0 %)" in text and "0.120 (untranslated 0.310)" in text
    assert "there and back 97.0 %, pixel error 0.050; 1,234 images" in text
