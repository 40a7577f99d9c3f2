"""The study of the GAN recipe: its batches, what it keeps of them, and that the stored rows are what it measures."""

import pytest
import torch

from chapter10 import data, experiments, gan, gan_study, recipes
from chapter10.training import fit


def _bytes(n=10):
    """n images that can be told apart: image i has i in each pixel."""
    return torch.arange(n, dtype=torch.uint8).view(n, 1, 1).expand(n, 4, 4).contiguous()


def test_rounds_take_all_images_before_one_comes_again():
    rounds = gan_study.Rounds(data.Batches(_bytes(), 5, "unit"), steps=5)
    torch.manual_seed(0)
    batches = [x[:, 0].mul(255).round().int().tolist() for x in rounds]
    assert len(batches) == len(rounds) == 5
    for first, second in (batches[0:2], batches[2:4]):
        assert sorted(first + second) == list(range(10))
    assert batches[0] + batches[1] != batches[2] + batches[3]  # shuffled anew


def _players():
    torch.manual_seed(0)
    return gan.Generator(3, 16), gan.Discriminator(16)


def test_recorded_keeps_each_batch_and_trains_as_its_parent():
    method, plain = gan_study.Recorded(*_players()), gan.GANTraining(*_players())
    batches = data.Batches(_bytes(), 5, "signed")
    kept, own = (fit(m, batches, 3, seed=1, progress=False) for m in (method, plain))
    for part in ("d_loss", "g_loss", "d_real"):
        assert method.losses(part).shape == (6,)
        assert method.losses(part).view(3, 2).mean(1).tolist() == pytest.approx(kept[part], rel=1e-6)
        assert kept[part] == own[part]


def test_accuracy_counts_both_kinds_alike_and_without_dropout():
    class First(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = torch.nn.Dropout(0.99)

        def forward(self, x):
            return self.drop(x)[:, :1]

    judge = First().train()
    real, fake = torch.tensor([[1.0], [2.0], [3.0], [-1.0]]), torch.tensor([[-1.0], [1.0]])
    assert gan_study.discriminator_accuracy(judge, real, fake) == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert judge.training
    assert gan_study.discriminator_accuracy(judge.eval(), fake, real) == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert not judge.training


def test_packed_samples_come_back_in_their_order():
    images = torch.randint(0, 8, (3, 5, 784)) / 7  # as many levels as are kept
    back = gan_study.unpack(gan_study.pack(images))
    assert back.shape == (3, 5, 28, 28)
    torch.testing.assert_close(back.flatten(2), images, rtol=0, atol=0.5 / 255)


def test_a_row_says_what_was_trained_and_repeats(monkeypatch):
    monkeypatch.setattr(gan_study, "STEPS", 2)
    rows = [gan_study.train_variant("digits", 3, "as listed", rounds=4) for _ in range(2)]
    assert rows[0] == rows[1]
    assert rows[0]["step"] == [2, 4, 6, 8] and len(rows[0]["g_loss"]) == 4
    assert gan_study.unpack(rows[0]["samples"]).shape == (2, gan_study.SHOWN, 28, 28)
    other = gan_study.train_variant("digits", 3, "β1 = 0.5", rounds=1)
    assert (rows[0]["beta1"], other["beta1"]) == (0.9, 0.5)
    # D's second loss comes after one step of each; Adam's first step is the same for all β1, its second is not.
    assert other["d_loss"][0] == pytest.approx(rows[0]["d_loss"][0], rel=1e-4)
    assert other["g_loss"][0] != rows[0]["g_loss"][0]


def test_images_in_0_1_are_let_through_only_where_that_is_the_question(monkeypatch):
    monkeypatch.setattr(gan_study, "STEPS", 1)
    seen = []
    step = gan_study.Recorded.step
    monkeypatch.setattr(gan_study.Recorded, "step", lambda self, x: seen.append(x) or step(self, x))
    for variant, low in (("as listed", -1.0), ("images in [0, 1]", 0.0)):
        gan_study.train_variant("digits", 0, variant, rounds=1)
        assert seen[-1].min() == low and seen[-1].max() == 1


@pytest.mark.parametrize("name", recipes.SETS)
def test_stored_rows_are_complete(name):
    result = experiments.read_result(f"gan-recipe-{name}")
    wanted = [(seed, variant) for seed in range(result["seeds"]) for variant in gan_study.VARIANTS]
    assert [(row["seed"], row["variant"]) for row in result["rows"]] == wanted and result["seeds"] >= 5
    for row in result["rows"]:
        looks = gan_study.UNIT_ROUNDS if row["images"] == "unit" else gan_study.ROUNDS[name]
        assert row["step"] == [gan_study.STEPS * (k + 1) for k in range(looks)]
        assert {len(value) for value in row.values() if isinstance(value, list)} == {looks}
        assert (row["lr"], row["batch_size"]) == (gan_study.LR, gan_study.BATCH)
        assert all(0.1 <= share <= 1 for share in row["largest_share"])
        assert 0 < row["floor"] < min(row["distance"])
        assert gan_study.unpack(row["samples"]).shape[:2] == (looks // 2, gan_study.SHOWN)


def test_the_first_look_of_a_stored_run_is_measured_again():
    stored = next(
        r for r in experiments.read_result("gan-recipe-digits")["rows"] if r["variant"] == "β1 = 0.5"
    )
    again = gan_study.train_variant("digits", stored["seed"], stored["variant"], rounds=1)
    for key, tolerance in (
        ("d_loss", 0.02),
        ("g_loss", 0.02),
        ("distance", 0.15),
    ):  # another machine rounds otherwise
        assert again[key][0] == pytest.approx(stored[key][0], rel=tolerance)
    assert (again["floor"], again["noise"]) == pytest.approx((stored["floor"], stored["noise"]), rel=1e-3)
