"""The study of posterior collapse: its ways differ in what they say, and its stored rows are what it measures."""

import pytest
import torch

from chapter10 import collapse, data, experiments, recipes, vae
from chapter10.autoregressive import AutoregressiveVAE
from chapter10.errors import InputError


@pytest.fixture(scope="module")
def images():
    return data.load("digits")


def test_the_ways_differ_in_one_thing_each():
    plain, _ = collapse.method_for(collapse.WAYS["no remedy"], seed=1)
    for name, way in collapse.WAYS.items():
        method, schedules = collapse.method_for(way, seed=1)
        changed = {
            "decoder": method.model.context < plain.model.context,
            "free bits": method.free_bits > 0,
            "annealing": "beta" in schedules and min(schedules["beta"](i / 16) for i in range(16)) == 0,
        }
        assert sum(changed.values()) == (name != "no remedy"), name
        assert any(word in name for word in changed if changed[word]) or name == "no remedy"
        assert "lr" in schedules and method.beta == 1.0
        if method.model.context == plain.model.context:  # and start from the same weights
            for a, b in zip(plain.model.parameters(), method.model.parameters(), strict=True):
                assert torch.equal(a, b)
    with pytest.raises(
        InputError, match="no way 'hope' to train. Choose one of: no remedy, linear annealing"
    ):
        collapse.train("hope", None, 0)


def test_looks_repeat_and_leave_the_random_numbers_alone(images):
    torch.manual_seed(0)
    model, x = AutoregressiveVAE(context=1), collapse.held_out(images)[:20]
    state = torch.get_rng_state()
    first = collapse.look_at(model, x)
    assert first == collapse.look_at(model, x) and torch.equal(state, torch.get_rng_state())
    assert first["value"] == pytest.approx(first["reconstruction"] - first["kl"])


def test_measures_of_a_model_that_ignores_z(images):
    """Its decoder and its encoder are cut off from z: log p(x) is known, and each measure with it."""
    torch.manual_seed(0)
    model, x = AutoregressiveVAE(context=2), collapse.held_out(images)[:16]
    with torch.no_grad():
        model.decoder[-1].weight.zero_()
        for layer in (model.fc_mu, model.fc_var):
            layer.weight.zero_()
            layer.bias.zero_()
        log_p = vae.bernoulli_log_likelihood(model.decode(torch.zeros(16, 10), x), x).mean().item()
    found = collapse.measures(model, x, seed=0)
    assert found["log_likelihood"] == pytest.approx(log_p, abs=1e-3)
    assert found["elbo"] == pytest.approx(log_p, abs=1e-3) and found["kl"] == 0
    assert found["other_z"] == 0 and found["active"] == 0 and found["kl_by_dimension"] == [0.0] * 10


def test_measures_of_a_model_that_uses_z(images):
    torch.manual_seed(0)
    model, x = AutoregressiveVAE(context=1, hidden_dim=64), collapse.held_out(images)[:16]
    method = vae.VAETraining(model, 4e-3, beta=0.0)
    for _ in range(150):  # learns the 16 images by heart, through z: the pixels before are left out
        with torch.no_grad():
            model.from_window.weight.zero_()
        method.step(x)
    found = collapse.measures(model, x, seed=0)
    assert found["other_z"] > 50 and found["kl"] > 5 and found["active"] > 0
    assert found["kl_by_dimension"] == sorted(found["kl_by_dimension"], reverse=True)
    assert sum(found["kl_by_dimension"]) == pytest.approx(found["kl"], rel=1e-3)
    assert found["elbo"] < found["log_likelihood"]


def test_a_training_repeats_and_tells_its_looks(images):
    seen = []
    runs = [
        collapse.train("linear annealing", images, seed=2, steps=8, looks=4, callback=lambda f: seen.append(len(f["kl"])))
        for _ in range(2)
    ]  # fmt: skip
    (model, looks), (_, again) = runs
    assert looks == again and seen == [1, 2, 3, 4] * 2 and not model.training
    assert looks["step"] == [2, 4, 6, 8]
    assert looks["beta"] == pytest.approx(
        [1 / 4, 3 / 4, 1, 1]
    )  # of the last step of each look: 1, 3, 5 and 7 of 8


@pytest.mark.parametrize("name", recipes.SETS)
def test_stored_rows_are_complete(name):
    result = experiments.read_result(f"collapse-{name}")
    wanted = [(seed, way) for seed in range(result["seeds"]) for way in collapse.WAYS]
    assert [(row["seed"], row["way"]) for row in result["rows"]] == wanted
    for row in result["rows"]:
        way = collapse.WAYS[row["way"]]
        assert (row["context"], row["free_bits"]) == (way.context, way.free_bits)
        assert (row["lr"], row["batch_size"]) == (collapse.LR, collapse.BATCH)
        every = collapse.STEPS[name] // collapse.LOOKS
        assert row["looks"]["step"] == [every * (i + 1) for i in range(collapse.LOOKS)]
        assert {len(values) for values in row["looks"].values()} == {collapse.LOOKS}
        assert row["elbo"] <= row["log_likelihood"] < 0 and sum(row["kl_by_dimension"]) == pytest.approx(
            row["kl"], abs=0.01
        )
        if way.beta is not None:
            assert min(row["looks"]["beta"]) < 0.5 and row["looks"]["beta"][-1] == 1


def test_the_first_looks_of_a_stored_training_are_measured_again(images):
    stored = next(r for r in experiments.read_result("collapse-digits")["rows"] if r["way"] == "free bits")

    def stop(found):
        raise KeyboardInterrupt

    _, looks = collapse.train("free bits", images, stored["seed"], callback=stop)
    assert looks["step"] == stored["looks"]["step"][:1]
    for key in ("value", "reconstruction"):  # another machine rounds otherwise
        assert looks[key][0] == pytest.approx(stored["looks"][key][0], rel=0.02)
