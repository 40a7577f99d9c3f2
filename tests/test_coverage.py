"""The measurement of mode coverage: equal players, equal steps, and what a row says."""

import pytest
import torch

from chapter10 import coverage, experiments
from chapter10.errors import InputError


def test_every_game_begins_with_the_same_players():
    games = [build(3) for build in coverage.METHODS.values()]
    for player in ("generator", "_opponent"):
        first, *others = (torch.cat([p.flatten() for p in getattr(m, player).parameters()]) for m in games)
        assert all(torch.equal(first, other) for other in others)
    assert not torch.equal(first, torch.cat([p.flatten() for p in coverage.players(4)[1].parameters()]))
    assert [getattr(m, "lipschitz", None) for m in games] == [None, None, "clipping", "penalty"]
    assert [m.objective.r1 for m in games[:2]] == [0.0, 0.05] and games[3].penalty == 0.1


def test_the_generator_s_weights_have_the_deviation_of_he_et_al_and_the_opponent_s_are_torch_s():
    generator, opponent = coverage.players(0)
    assert generator.model[2].weight.std().item() == pytest.approx((2 / 128) ** 0.5, rel=0.03)
    assert not generator.model[2].bias.any()
    assert opponent.model[2].weight.abs().max().item() == pytest.approx(128**-0.5, rel=0.01)


def test_every_game_makes_as_many_steps_at_the_same_rate_with_as_many_points(monkeypatch):
    seen = {}

    def spy(method, batches, epochs, seed, schedules, callbacks, progress):
        rates = [schedules["lr"](share) for share in (0.0, 0.5, 1.0)]
        if "r1" in schedules:
            assert [schedules["r1"](share) for share in (0.0, 0.4, 0.8, 1.0)] == pytest.approx(
                [0.05, 0.05**0.5 * 0.001**0.5, 0.001, 0.001]
            )
        seen[len(seen)] = (len(batches) * epochs, rates, batches.batch_size, len(batches.mixture.means))

    monkeypatch.setattr(coverage, "fit", spy)
    assert coverage.coverage("grid", 0) == []  # no look, no row
    assert coverage.coverage("grid", 4) == []
    assert len(seen) == 8  # all games for every seed
    batch = coverage.BATCH
    for i, critic_steps in enumerate((1, 1, 2, 2) * 2):
        assert seen[i] == (coverage.STEPS["grid"], pytest.approx([2e-3, 1e-3, 0]), batch * critic_steps, 25)


def test_a_game_repeats_and_tells_its_coverage_along_the_way():
    state = torch.get_rng_state()
    one, two = (coverage.play("ring", "WGAN-GP", 3, steps=5) for _ in range(2))
    keys = ("step", "modes", "good", "kl")
    assert [[row[k] for k in keys] for row in one] == [[row[k] for k in keys] for row in two]
    assert torch.equal(state, torch.get_rng_state())
    assert [row["step"] for row in one] == [1, 2, 3, 4, 5]
    assert all(0 <= row["modes"] <= row["of"] == 8 and 0 <= row["good"] <= 1 for row in one)


def test_what_is_not_played_is_named():
    with pytest.raises(InputError, match="no game 'DCGAN' on 'ring'.*WGAN-GP.*ring, grid"):
        coverage.play("ring", "DCGAN", 0)
    with pytest.raises(InputError, match="12 steps can't be split by 5"):
        coverage.play("ring", "GAN", 0, steps=12)
    assert {"coverage-ring", "coverage-grid"} <= set(experiments.names())


def test_a_discriminator_of_packs_sees_as_many_packs_and_the_same_generator_begins(monkeypatch):
    built = {name: build(3) for name, build in coverage.PACKED.items()}
    first, *others = (torch.cat([p.flatten() for p in m.generator.parameters()]) for m in built.values())
    assert all(torch.equal(first, other) for other in others)
    assert [m.discriminator.model[0].in_features for m in built.values()] == [2, 4, 8]
    sizes = []
    monkeypatch.setattr(coverage, "fit", lambda method, batches, *rest, **more: sizes.append(batches.batch_size))
    assert coverage.packing("grid", 0) == []  # no look, no row
    assert sizes == [coverage.BATCH * pack for pack in (1, 2, 4)]
    monkeypatch.undo()
    monkeypatch.setattr(coverage, "STEPS", {"ring": 5})
    rows = coverage.packing("ring", 0)  # flat: a row a look
    assert [row["method"] for row in rows[::5]] == ["GAN", "packing 2", "packing 4"] and len(rows) == 15
