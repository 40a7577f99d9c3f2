"""The study of CycleGAN with and without its cycle loss: what its variants are, and what a training leaves."""

import pytest
import torch

from chapter10 import data, domains, experiments, gan_study, translation_study
from chapter10.cyclegan import CycleGAN, TranslationGenerator
from chapter10.errors import InputError


@pytest.fixture(scope="module")
def pair():
    return domains.split(data.load("digits"), "outlines")


def test_the_variants_differ_in_the_weights_only():
    methods = {name: translation_study.method_for(name, 3) for name in translation_study.VARIANTS}
    found = {name: (method.cycle, method.identity) for name, method in methods.items()}
    assert found == {"with cycle": (2, 0), "without cycle": (0, 0), "the authors' weights": (10, 0.5)}
    first, *others = (torch.cat([p.flatten() for p in m.model.parameters()]) for m in methods.values())
    assert all(torch.equal(first, other) for other in others)
    with pytest.raises(InputError, match="Choose one of: with cycle"):
        translation_study.method_for("cycle", 0)


def test_a_training_is_repeatable_and_takes_so_many_steps(pair):
    first, again = (translation_study.train(pair, "with cycle", 1, 3) for _ in range(2))
    other = translation_study.train(pair, "with cycle", 1, 4)
    weights = [torch.cat([p.flatten() for p in net.parameters()]) for net in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert not first.training


def test_the_sheet_shows_outlines_what_is_made_of_them_what_comes_back_and_the_answer(pair):
    with torch.random.fork_rng():
        model = CycleGAN(TranslationGenerator(width=4), TranslationGenerator(width=4))
    model.b_to_a.forward = lambda x: x.flip(1)
    model.a_to_b.forward = lambda x: -x
    outlines, made, back, digits = translation_study.sheet(model, pair, 5)
    assert torch.allclose(outlines, data.to_unit(pair.test_b[:5]), atol=1e-6)
    assert torch.allclose(digits, data.to_unit(pair.test_a[:5]), atol=1e-6)
    assert torch.allclose(made, outlines.flip(1), atol=1e-6)
    assert torch.allclose(back, 1 - made, atol=1e-6)


def test_the_stored_study_has_each_variant_for_each_seed_beside_the_untranslated():
    rows = experiments.read_result("translation-mnist")["rows"]
    seeds = {row["seed"] for row in rows}
    assert [(row["variant"], row["seed"]) for row in rows] == [
        (v, s) for s in sorted(seeds) for v in translation_study.VARIANTS
    ]
    assert len({row["b_untranslated_agreement"] for row in rows}) == len({row["steps"] for row in rows}) == 1
    assert gan_study.unpack(rows[0]["samples"]).shape == (4, translation_study.SHOWN, 28, 28)
    for row in rows:
        if row["variant"] == "with cycle":
            assert row["b_agreement"] > row["b_untranslated_agreement"] + 0.1


def test_turned_digits_are_the_other_pair_trained_alike_and_come_back_without_having_been_turned():
    rows = experiments.read_result("turned-mnist")["rows"]
    steps = experiments.read_result("translation-mnist")["rows"][0]["steps"]
    assert {(row["variant"], row["steps"]) for row in rows} == {("with cycle", steps)}
    turned, _, _, upright = gan_study.unpack(rows[0]["samples"])
    assert torch.equal(turned, upright.rot90(1, (1, 2)))  # B, and what it was made from
    for row in rows:
        assert row["b_cycle_agreement"] - row["b_agreement"] > 0.5


def test_in_twice_the_steps_the_cycle_pays_off():
    rows = experiments.read_result("longer-translation-mnist")["rows"]
    seeds = {row["seed"] for row in rows}
    found = {(row["variant"], row["seed"]): row for row in rows}
    assert {row["steps"] for row in rows} == {translation_study.LONGER}
    for seed in seeds:
        whole, without = (found[variant, seed] for variant in ("with cycle", "without cycle"))
        assert whole["a_cycle_agreement"] > without["a_cycle_agreement"]
        assert whole["b_agreement"] > without["b_agreement"]


def test_the_stored_swaps_are_all_or_nothing():
    rows = experiments.read_result("swaps-modes")["rows"]
    exact = {row["case"]: row for row in rows if row["case"].startswith("the ")}
    assert exact["the right one"]["right"] == 1 and exact["the swapped one"]["right"] == 0
    ended = [row["right"] for row in rows if row["case"] == "equal"]
    assert len(ended) == 20 and all(right < 0.05 or right > 0.95 for right in ended)
    assert 4 <= sum(right < 0.5 for right in ended) <= 16  # of 20 fair coins, in 99.7 % of cases
