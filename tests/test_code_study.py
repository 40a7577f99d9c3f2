"""chapter10.code_study: what the variants are, what is measured of them, and the stored results."""

import pytest
import torch

from chapter10 import code_study, data, experiments, metrics, recipes
from chapter10.vae import bernoulli_log_likelihood
from chapter10.vqvae import VQVAE


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def test_the_variants_differ_as_their_names_say():
    made = {name: VQVAE(**settings) for name, settings in code_study.VARIANTS.items()}
    for name, model in made.items():
        everything = name == "all three"
        assert (model.quantizer.decay is not None) == ("moving averages" in name or everything)
        assert (model.quantizer.restart > 0) == ("restarts" in name or everything)
        assert any(isinstance(m, torch.nn.BatchNorm2d) for m in model.encoder) == (
            "batch norm" in name or everything
        )


@pytest.mark.parametrize("variant", code_study.VARIANTS)
def test_a_short_training_is_measured(variant, digits):
    x = data.binarize(data.to_unit(digits.test[:40]), torch.Generator().manual_seed(0))
    state = torch.get_rng_state()
    row = code_study.train_variant(digits, x, 0, variant, steps=3)
    assert torch.equal(state, torch.get_rng_state())
    assert row == code_study.train_variant(digits, x, 0, variant, steps=3)  # the seed decides
    assert row.keys() == {
        "perplexity",
        "dead",
        "batch_perplexity",
        "reconstruction",
        "size",
        "restarts",
        "steps",
    }
    assert 1 <= row["perplexity"] <= 64 and 0 <= row["dead"] <= 63 and row["steps"] == 3


def test_what_is_measured_is_of_all_images_and_of_their_batches(digits):
    torch.manual_seed(0)
    model, x = VQVAE(8, 4, 4), data.to_unit(digits.test[:32]).round()
    with torch.no_grad():
        model.quantizer.start(model.encode(x))
        found = code_study.used(model.eval(), x)
        codes, z = model.codes(x), model.encode(x)
        nats = bernoulli_log_likelihood(model.decode_codes(codes), x).mean()
    each = [metrics.perplexity(part, 8).value for part in (codes[:16], codes[16:])]
    assert found["perplexity"] == pytest.approx(metrics.perplexity(codes, 8).value)
    assert found["batch_perplexity"] == pytest.approx(sum(each) / 2)
    assert found["reconstruction"] == pytest.approx(nats.item(), rel=1e-5)
    assert found["size"] == pytest.approx(z.square().mean().sqrt().item(), rel=1e-5)


@pytest.mark.parametrize("name", [f"codebook-{subject}" for subject in recipes.SETS])
def test_the_stored_result_has_every_variant_of_every_seed(name):
    result = experiments.read_result(name)
    runs = [(row["seed"], row["variant"]) for row in result["rows"]]
    assert runs == [(seed, variant) for seed in range(result["seeds"]) for variant in code_study.VARIANTS]
    assert all(row["steps"] == code_study.STEPS for row in result["rows"])
