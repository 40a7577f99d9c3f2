"""chapter10.recipes and the stored results: every file loads, and says what it is and how it was made."""

import json
import math
import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from chapter10 import data, experiments, recipes
from chapter10.code_prior import CodePrior
from chapter10.cyclegan import CycleGAN
from chapter10.dcgan import DCGANGenerator
from chapter10.errors import CheckpointError, DataError, InputError, SaveError
from chapter10.files import load_state, save_state
from chapter10.gan import Generator
from chapter10.nets import Classifier, ConvGenerator, count_parameters
from chapter10.recipes import RECIPES, LabelledBatches
from chapter10.vae import VAE, Autoencoder
from chapter10.vaegan import ConvVAE
from chapter10.vqvae import VQVAE

needs_mnist = pytest.mark.skipif(
    not os.environ.get("CHAPTER10_DATA"), reason="CHAPTER10_DATA names no folder with MNIST"
)
KINDS = {
    "classifier": Classifier, "ae2": Autoencoder, "vae2": VAE, "vae20": VAE,
    "gan": Generator, "dcgan60": ConvGenerator, "vqvae": VQVAE, "codeprior": CodePrior,
    "vaegan": ConvVAE, "dcgan": DCGANGenerator,
    "cyclegan-outlines": CycleGAN,
}  # fmt: skip
SCORES = {
    "classifier": {"accuracy"},
    "ae2": {"cross_entropy"},
    "vae2": {"elbo", "reconstruction", "kl", "log_likelihood_500", "active_units"},
    "vae20": {"elbo", "reconstruction", "kl", "log_likelihood_500", "active_units"},
    "gan": {"distance", "floor", "noise", "share", "classes", "largest"},
    "dcgan60": {"distance", "floor", "noise", "share", "classes", "largest"},
    "dcgan": {"distance", "floor", "noise", "share", "classes", "largest"},
    "vqvae": {"reconstruction", "error", "perplexity", "dead"},
    "codeprior": {"distance", "floor", "noise", "share", "classes", "largest"}
    | {"bits", "code_bits", "pixel_bits", "uniform_bits"},
    "vaegan": {"distance", "floor", "noise", "share", "classes", "largest", "error", "kl", "active_units"},
}
TRANSLATION = ("error", "untranslated_error", "agreement", "untranslated_agreement", "cycle_error", "cycle_agreement")
SCORES["cyclegan-outlines"] = {f"{start}_{name}" for start in "ab" for name in TRANSLATION}
BETAS = {f"beta{beta:g}-{images}" for images, betas in recipes.BETAS.items() for beta in betas}
KINDS |= {name.rsplit("-", 1)[0]: VAE for name in BETAS}
SCORES |= {name.rsplit("-", 1)[0]: SCORES["vae20"] for name in BETAS}
STORED = [name for name, recipe in RECIPES.items() if recipe.stored]
DIGITS = [name for name in RECIPES if name.endswith("digits")]


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def kind(name: str) -> str:
    return name.rsplit("-", 1)[0]


# The stored weights


def test_every_recipe_has_its_weights_and_every_file_its_recipe():
    stored = {path.stem for path in recipes.weights_path("x").parent.iterdir()}
    assert stored == set(STORED) and set(RECIPES) - stored == {"vae50-mnist"}
    plain = [name for name in KINDS if not name.startswith("beta")]
    assert stored == {f"{name}-{images}" for name in plain for images in recipes.SETS} | BETAS


@pytest.mark.parametrize("name", STORED)
def test_stored_weights_load_and_say_how_they_were_made(name):
    model, about = recipes.load(name), recipes.about(name)
    assert type(model) is KINDS[kind(name)] and not model.training
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
    assert about["recipe"] == name and about["data"] == RECIPES[name].data == name.rsplit("-", 1)[1]
    assert about["parameters"] == count_parameters(model)
    assert set(about["scores"]) == SCORES[kind(name)]
    python, option, package, command, made, *options = shlex.split(about["command"])
    assert (python, option, package, command, made) == ("python", "-m", "chapter10", "train", name)
    said = dict(zip(options[::2], options[1::2]))
    assert int(said["--seed"]) == about["seed"] and about["epochs"] == RECIPES[name].epochs[said["--scale"]]
    assert said["--scale"] != "smoke" and about["seconds"] > 0
    assert recipes.weights_path(name).stat().st_size < 1_300_000


@pytest.fixture
def fewer_samples(monkeypatch):
    """The bound with 500 samples takes seconds: 20 of them."""
    bound = recipes.metrics.iwae_bound
    monkeypatch.setattr(recipes.metrics, "iwae_bound", lambda model, x, samples: bound(model, x, 20))


@pytest.mark.parametrize("name", DIGITS)
def test_stored_scores_are_what_the_weights_reach(name, digits, fewer_samples):
    stored, model = recipes.about(name)["scores"], recipes.load(name)
    state = torch.get_rng_state()
    found = recipes.scores(model, digits)
    assert torch.equal(state, torch.get_rng_state())
    fewer = found.pop("log_likelihood_500", None)
    if fewer is not None:
        assert stored["elbo"] < fewer < stored.pop("log_likelihood_500")
    assert found == pytest.approx(stored, rel=1e-4, abs=1e-3)


def test_a_stored_bound_with_500_samples_is_what_the_weights_reach(digits):
    stored = recipes.about("vae2-digits")["scores"]["log_likelihood_500"]
    found = recipes.scores(recipes.load("vae2-digits"), digits)["log_likelihood_500"]
    # Which draws an image gets hangs on the size of the chunks; between draws the mean has a spread of 0.015.
    assert found == pytest.approx(stored, abs=0.1)


@needs_mnist
def test_mnist_s_classifier_is_right_in_99_of_100():
    found = recipes.scores(recipes.load("classifier-mnist"), data.load("mnist"))["accuracy"]
    assert found >= 0.99
    assert found == pytest.approx(recipes.about("classifier-mnist")["scores"]["accuracy"], abs=1e-3)


@pytest.mark.parametrize("name", recipes.SETS)
def test_stored_priors_belong_to_the_stored_codes_of_their_own_data(name):
    prior = recipes.load(f"codeprior-{name}")
    prior.belong_to(recipes.load(f"vqvae-{name}"))
    other = "digits" if name == "mnist" else "mnist"
    with pytest.raises(InputError, match="another codebook"):
        prior.belong_to(recipes.load(f"vqvae-{other}"))
    scores = recipes.about(f"codeprior-{name}")["scores"]
    assert scores["code_bits"] < scores["uniform_bits"] == pytest.approx(49 * 6)
    assert scores["bits"] == pytest.approx(scores["code_bits"] + scores["pixel_bits"])
    assert recipes.about(f"vqvae-{name}")["scores"]["perplexity"] > 32


class Replay(nn.Module):
    """A stand-in for a generator: gives images it was given, in turn."""

    latent_dim = 1

    def __init__(self, images):
        super().__init__()
        self.images = data.to_signed(images)

    def forward(self, z):
        return self.images[torch.arange(len(z)) % len(self.images)]


def test_real_images_score_near_the_floor_and_a_single_one_far_from_it(digits):
    state = torch.get_rng_state()
    real = recipes.sample_scores(Replay(digits.test[::2]), digits)
    assert (
        real["distance"] < real["floor"] < real["noise"] / 10
    )  # half of what it is compared with is the same
    assert real["share"] == real["distance"] / real["noise"]
    assert real["classes"] == 10 and real["largest"] < 0.2
    one = recipes.sample_scores(Replay(digits.test[:1]), digits)
    assert one["classes"] == 1 and one["largest"] == 1 and one["distance"] > 10 * one["floor"]
    assert (one["noise"], one["floor"]) == (real["noise"], real["floor"])
    assert torch.equal(state, torch.get_rng_state())


def test_a_gan_s_result_is_the_moving_average_of_its_generator(digits, monkeypatch):
    made = []
    recipe = recipes.get("dcgan60-digits")
    watched = replace(recipe, method=lambda generator: made.append(recipe.method(generator)) or made[0])
    model, history = recipes.make(watched, digits, "smoke", seed=1, progress=False)
    assert model is made[0].averaged and model is not made[0].generator and not model.training
    assert len(history) == recipe.epochs["smoke"]
    last = made[0].generator.state_dict()
    assert not all(torch.equal(tensor, last[key]) for key, tensor in model.state_dict().items())


# Training


@pytest.mark.parametrize("name", DIGITS)
def test_a_trained_model_is_what_its_file_holds(name, tmp_path, monkeypatch, fewer_samples):
    path = tmp_path / f"{name}.safetensors"
    state = torch.get_rng_state()
    model, about = recipes.train(name, "smoke", seed=3, out=path)
    assert torch.equal(state, torch.get_rng_state())
    assert about["epochs"] == 1 and about["seed"] == 3
    assert about["command"] == f"python -m chapter10 train {name} --scale smoke --seed 3 --device cpu"
    assert about == load_state(path)[1] and [p.name for p in tmp_path.iterdir()] == [path.name]
    monkeypatch.setattr(recipes, "weights_path", lambda name: tmp_path / f"{name}.safetensors")
    loaded = recipes.load(name)
    for key, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[key]), key
    assert recipes.about(name) == about


def test_the_seed_decides_the_weights(tmp_path):
    states = []
    for seed in (0, 1, 0):
        torch.manual_seed(100 + len(states))  # what was drawn before has no say
        states.append(recipes.train("ae2-digits", "smoke", seed, out=tmp_path / "w")[0].state_dict())
    first, other, again = states
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_the_place_for_the_weights_is_tried_before_the_training(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(
        recipes.AutoencoderTraining, "step", lambda self, x: pytest.fail("training had begun")
    )
    with pytest.raises(SaveError, match="Nothing was begun"):
        recipes.train("ae2-digits", "smoke", out=tmp_path / "file" / "w")


def test_the_rate_warms_up_to_the_recipe_s_own(tmp_path):
    recipes.train("ae2-digits", "smoke", out=tmp_path / "w", checkpoint=tmp_path / "run")
    rates = load_state(tmp_path / "run")[1]["plan"]["schedules"]["lr"]  # at each eighth of the training
    assert max(rates) == pytest.approx(recipes.get("ae2-digits").lr, rel=0.05)
    assert (
        rates[0] < rates[1] and rates[2:] == sorted(rates[2:], reverse=True) and rates[-1] < max(rates) / 10
    )


def test_a_training_stopped_by_hand_stores_nothing(tmp_path, monkeypatch):
    def stop(self, x):
        raise KeyboardInterrupt

    monkeypatch.setattr(recipes.AutoencoderTraining, "step", stop)
    with pytest.raises(KeyboardInterrupt):
        recipes.train("ae2-digits", "smoke", out=tmp_path / "weights")
    assert list(tmp_path.iterdir()) == []


def test_what_can_t_be_trained_is_told(tmp_path):
    with pytest.raises(InputError, match="There is no recipe 'vae3-digits'. Did you mean 'vae2-digits' .*There are: .*beta"):
        recipes.train("vae3-digits", out=tmp_path / "w")
    with pytest.raises(InputError, match="scale 'huge' is not known. Choose one of: smoke, quick, full"):
        recipes.train("vae2-digits", "huge", out=tmp_path / "w")
    with pytest.raises(SaveError, match="could not be written"):
        recipes.train("ae2-digits", "smoke", out=tmp_path)
    for ask in (recipes.load, recipes.about, recipes.get):
        with pytest.raises(InputError, match="There is no recipe 'nothing'"):
            ask("nothing")


def watched(recipe, seen: list):
    """The recipe, which puts its method into the list."""
    return replace(recipe, method=lambda model: seen.append(recipe.method(model)) or seen[0])


def test_a_recipe_is_changed_only_where_asked(digits):
    recipe = recipes.get("beta4-digits")
    assert recipes.changed(recipe, "smoke", recipes.Changes()) == recipe
    changes = recipes.Changes(epochs=2, batch_size=200, lr=1e-4, constants={"beta": 0.5})
    other = recipes.changed(recipe, "smoke", changes)
    assert (other.epochs["smoke"], other.epochs["quick"]) == (2, recipe.epochs["quick"])
    seen = []
    _, history = recipes.make(watched(other, seen), digits, "smoke", progress=False)
    assert seen[0].beta == 0.5 and history["step"] == [8, 16]  # 1,437 images in batches of 200
    # What is said is what is had: minus the objective is the reconstruction less β times the KL.
    for row in history.rows:
        assert row["loss"] == pytest.approx(0.5 * row["kl"] - row["reconstruction"], rel=1e-5)


@pytest.mark.parametrize("name", [name for name in DIGITS if not name.startswith("beta")])
def test_each_setting_that_a_recipe_has_reaches_its_method(name, digits):
    recipe = recipes.get(name)
    for constant in recipes.changeable(recipe):
        changed = recipes.changed(recipe, "smoke", recipes.Changes(batch_size=8, constants={constant: 0.25}))
        few, seen = replace(digits, train=digits.train[:32], train_labels=digits.train_labels[:32]), []
        recipes.make(watched(changed, seen), few, "smoke", progress=False)
        assert getattr(seen[0], constant) == 0.25


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"epochs": 0}, "epochs is 0; give a whole number from 1 up"),
        ({"batch_size": -3}, "batch_size is -3"),
        ({"lr": 0.0}, "lr is 0.0; give a rate above 0, such as 0.003"),
        ({"lr": math.nan}, "lr is nan"),
        ({"constants": {"beta": -1.0}}, "beta is -1.0; give a finite number from 0 up"),
        ({"constants": {"beta": math.inf}}, "beta is inf"),
        ({"constants": {"betta": 1.0}}, "vae20-digits has no setting 'betta'. Did you mean 'beta'. There are: beta, free_bits"),
    ],
)
def test_changes_that_there_can_t_be(changes, message, tmp_path):
    with pytest.raises(InputError, match=message):
        recipes.train("vae20-digits", "smoke", out=tmp_path / "w", changes=recipes.Changes(**changes))
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_without_settings_of_its_own_says_so():
    with pytest.raises(InputError, match="It has none but epochs, batch size and rate"):
        recipes.changed(recipes.get("ae2-digits"), "smoke", recipes.Changes(constants={"beta": 1.0}))


@pytest.mark.parametrize("value, text", [(4.0, "4"), (1e-3, "0.001"), (0.1 + 0.2, "0.30000000000000004"), (128, "128"), (10**6, "1000000")])
def test_numbers_are_said_so_that_they_come_back(value, text):
    assert recipes.number(value) == text and float(text) == value


def test_labelled_batches_keep_each_image_with_its_label():
    images = torch.arange(7, dtype=torch.uint8).view(7, 1, 1).expand(7, 2, 2) * 20
    x = torch.cat(list(LabelledBatches(images, torch.arange(7), 3)))
    assert sorted(x[:, -1].tolist()) == list(range(7))
    torch.testing.assert_close(x[:, :-1], (x[:, -1:] * 20 / 255).expand(7, 4))


# Damage


@pytest.mark.parametrize("ask", [recipes.load, recipes.about])
def test_weights_that_are_damaged_or_missing_are_told(ask, tmp_path, monkeypatch):
    path: Path = tmp_path / "vae2-digits.safetensors"
    whole = recipes.weights_path("vae2-digits").read_bytes()
    monkeypatch.setattr(recipes, "weights_path", lambda name: path)
    with pytest.raises(CheckpointError, match="python -m chapter10 train vae2-digits"):
        ask("vae2-digits")
    for content in (whole[:-1], whole[:100], b"", b"not weights at all"):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="cut off, or is another kind of file") as caught:
            ask("vae2-digits")
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_weights_of_another_recipe_are_told(tmp_path, monkeypatch):
    path = recipes.weights_path("vae20-digits")
    monkeypatch.setattr(recipes, "weights_path", lambda name: path)
    with pytest.raises(
        CheckpointError,
        match=r"is of another model: 'fc_mu.weight' is \(20, 256\) in the file and \(2, 256\)",
    ):
        recipes.load("vae2-digits")
    path = tmp_path / "list.safetensors"
    save_state(path, [torch.zeros(2)])
    with pytest.raises(CheckpointError, match="list.safetensors holds no weights of a model. Make them anew"):
        recipes.load("vae2-digits")


# Results


LEAST_SEEDS = {
    "latent-space": 10,
    "gan-recipe": 5,
    "vae-or-gan": 5,
    "mixtures": 10,
    "beta": 5,
    "better-vaes": 5,
    "collapse": 5,
    "codebook": 3,
    "dcgan-rules": 5,
    "stacked": 2,
    "swaps": 20,
    "translation": 5,
    "longer-translation": 5,
    "turned": 5,
    "critic": 5,
    "coverage": 5,
    "pacgan": 10,
    "stacked-pacgan": 2,
    "packing": 10,
    "likelihood": 1,
    "precision": 2,
    "ranking": 3,
    "ranking-rates": 1,
    "ranking-convolutions": 3,
}
FIRST_SEED = {"ranking-rates": 100}  # tried with seeds that the ranking doesn't use


@pytest.mark.parametrize("name", experiments.names())
def test_stored_results_say_how_they_were_made(name):
    result = experiments.read_result(name)
    assert result["command"] == f"python -m chapter10 measure {name} --seeds {result['seeds']}"
    assert result["name"] == name and result["seconds"] > 0
    assert result["seeds"] >= LEAST_SEEDS[name.rpartition("-")[0]]
    assert {"processor", "cores", "system", "python", "torch", "date"} <= set(result["machine"])
    first = FIRST_SEED.get(name.rpartition("-")[0], 0)
    assert {row["seed"] for row in result["rows"]} == set(range(first, first + result["seeds"]))
    assert "/" not in json.dumps(result["machine"]["system"])


@pytest.mark.parametrize("name", [name for name in experiments.names() if name.startswith("latent-space")])
def test_the_latent_space_was_measured_for_both_models_in_order(name):
    result = experiments.read_result(name)
    runs = [(row["model"], row["latent_dim"], row["seed"]) for row in result["rows"]]
    expected = [(m, d, s) for s in range(result["seeds"]) for d in (2, 20) for m in ("autoencoder", "VAE")]
    assert runs == expected
    for row in result["rows"]:
        assert all(
            0 <= row[rate] <= 1 for rate in ("prior", "fitted", "between", "codes", "inside", "real_digits")
        )


def test_results_that_can_t_be_read_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "result_path", lambda name: tmp_path / f"{name}.json")
    with pytest.raises(DataError, match="x.json can't be read.*python -m chapter10 measure x"):
        experiments.read_result("x")
    (tmp_path / "x.json").write_text('{"rows": [1, ')
    with pytest.raises(DataError, match="x.json can't be read"):
        experiments.read_result("x")
    experiments.save_result("x", {"name": "x", "rows": [0.1, "ü"]})
    assert experiments.read_result("x") == {"name": "x", "rows": [0.1, "ü"]}


@pytest.mark.parametrize(
    "name, seeds, workers", [("latent-space", 1, 1), ("nothing-digits", 1, 1), ("latent-space-cifar", 1, 1)]
)
def test_measurements_that_there_are_not(name, seeds, workers):
    with pytest.raises(
        InputError, match=f"no measurement {name!r}.* There are: latent-space-mnist, latent-space-digits"
    ):
        experiments.measure(name, seeds, workers)


@pytest.mark.parametrize("seeds, workers", [(0, 1), (-1, 1), (1, 0)])
def test_numbers_of_seeds_and_workers_below_one(seeds, workers):
    with pytest.raises(
        InputError, match=f"{seeds} seeds and {workers} workers were asked for; give 1 or more"
    ):
        experiments.measure("latent-space-digits", seeds, workers)
