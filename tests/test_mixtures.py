"""The experiment on mixtures: PacGAN's protocol, what a row says, and the table."""

import pytest
import torch

from chapter10 import experiments, mixtures
from chapter10.errors import InputError
from chapter10.gan import GANTraining

ROW = {"mixture": "ring", "of": 8, "kl": 0.1}


def test_the_protocol_is_pacgan_s(monkeypatch):
    seen = {}

    def spy(method, batches, epochs, seed, **settings):
        seen.update(method=method, batches=batches, steps=len(batches) * epochs)

    monkeypatch.setattr(mixtures, "fit", spy)
    for name, modes, std in (("ring", 8, 0.01), ("grid", 25, 0.05)):
        mixtures.play(name, "R1, γ = 1", 0)
        method, mixture = seen["method"], seen["batches"].mixture
        assert len(mixture.means) == modes and mixture.std == std
        assert isinstance(method, GANTraining) and method.lr == 1e-4 and method.objective.r1 == 1
        for optimizer in (method.g_optimizer, method.d_optimizer):
            assert optimizer.param_groups[0]["betas"][0] == 0.8
        assert seen["batches"].batch_size == 100 and seen["steps"] == mixtures.STEPS
        assert [p.shape[0] for p in method.generator.parameters() if p.ndim == 2] == [400] * 4 + [2]
        assert [p.shape[0] for p in method.discriminator.parameters() if p.ndim == 2] == [1000] * 3 + [1]


def test_a_game_repeats_and_tells_its_coverage_along_the_way():
    state = torch.get_rng_state()
    one, two = (mixtures.play("ring", "minimax", 3, steps=5) for _ in range(2))
    assert one == two and torch.equal(state, torch.get_rng_state())
    assert [row["step"] for row in one] == [1, 2, 3, 4, 5]
    assert all(0 <= row["modes"] <= row["of"] == 8 and 0 <= row["good"] <= 1 for row in one)


def test_a_seed_s_rows_are_those_of_the_three_objectives(monkeypatch):
    played = []
    monkeypatch.setattr(mixtures, "fit", lambda method, *rest, **settings: played.append(method))
    assert mixtures.mixtures("grid", 1) == []  # no look, no row
    games = [(method.objective.generator, method.objective.r1) for method in played]
    assert games == [("minimax", 0.0), ("non-saturating", 0.0), ("non-saturating", 1.0)]
    first, *others = (torch.cat([p.flatten() for p in method.generator.parameters()]) for method in played)
    assert all(torch.equal(first, other) for other in others)  # all three begin at the same place


def test_the_table_has_means_over_the_seeds_at_the_last_look_beside_the_paper_s():
    rows = [
        ROW | {"objective": o, "seed": s, "step": step, "modes": 2 + 4 * s if step == 10 else 0, "good": 0.1 + 0.2 * s}
        for o in mixtures.OBJECTIVES
        for s in (0, 1)
        for step in (5, 10)
    ]  # fmt: skip
    lines = mixtures.table(rows).splitlines()
    assert lines[0] == "ring, 10 steps of the paper's 400,000, 2 seeds: modes of 8, % good"
    assert [line.split()[-6:] for line in lines[1:4]] == [["4.0", "±", "2.8", "20.0", "±", "14.1"]] * 3
    assert lines[4].split() == ["GAN", "(paper)", "6.3", "98.2"]
    assert lines[-1].split() == ["perfect", "sampler", "8.0", "98.9"]


def test_what_is_not_played_is_named():
    with pytest.raises(InputError, match="no game 'wgan' on 'ring'.*minimax.*ring, grid"):
        mixtures.play("ring", "wgan", 0)
    with pytest.raises(InputError, match="12 steps can't be split by 5"):
        mixtures.play("ring", "minimax", 0, steps=12)
    with pytest.raises(InputError, match="no measurement 'mixtures-mnist'.*mixtures-ring, mixtures-grid"):
        experiments.measure("mixtures-mnist")


def test_a_measurement_is_there_after_each_seed(monkeypatch, tmp_path):
    class Pool:  # in this process: what is measured is a stand-in
        def __init__(self, *settings):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def map(self, function, *columns):
            for i, arguments in enumerate(zip(*columns)):
                if i == 2:
                    raise KeyboardInterrupt
                yield function(*arguments)

    def rows(subject, seed):
        return [
            ROW | {"objective": o, "seed": seed, "step": 1, "modes": 1, "good": 0.5}
            for o in mixtures.OBJECTIVES
        ]

    monkeypatch.setattr(experiments, "ProcessPoolExecutor", Pool)
    monkeypatch.setitem(experiments.EXPERIMENTS, "mixtures", (rows, ("ring",)))
    path = tmp_path / "found.json"
    with pytest.raises(KeyboardInterrupt):
        experiments.measure("mixtures-ring", 10, out=path)
    monkeypatch.setattr(experiments, "result_path", lambda name: path)
    found = experiments.read_result("mixtures-ring")
    assert found["seeds"] == 2 and {row["seed"] for row in found["rows"]} == {0, 1}
    assert found["command"] == "python -m chapter10 measure mixtures-ring --seeds 2"
