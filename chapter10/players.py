"""The players of the game of section 10.3: the chapter's generator and discriminator, and those for mixtures.

Discriminators give logits; a sigmoid is for showing. B images or points, D pixels, L latent dimensions. The convolutional
ones are in nets.py.
"""

from torch import Tensor, nn

from chapter10.language import noted
from chapter10.nets import Dropout, Maxout, as_rows, check_sizes, in_full, in_packs, mlp


class Generator(nn.Module):
    """The chapter's generator (section 10.3.3): z [B, L] -> images [B, D] in [−1, 1]."""

    def __init__(self, latent_dim: int = 100, img_dim: int = 784):
        super().__init__()
        check_sizes(latent_dim=latent_dim, img_dim=img_dim)
        self.latent_dim, self.img_dim = latent_dim, img_dim
        self.model = nn.Sequential(*mlp([latent_dim, 256, 512, img_dim]), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.model(as_rows(z, self.latent_dim, noted("The generator"), noted("latent vectors")))


class Discriminator(nn.Module):
    """The chapter's discriminator (section 10.3.3): images [B, D] in [−1, 1] -> logits [B, 1].

    The chapter ends it in a sigmoid; `probability` gives that. The losses take logits.
    """

    def __init__(self, img_dim: int = 784):
        super().__init__()
        check_sizes(img_dim=img_dim)
        self.img_dim = img_dim
        self.model = nn.Sequential(
            nn.Linear(img_dim, 512), nn.LeakyReLU(0.2), Dropout(0.3),
            nn.Linear(512, 256), nn.LeakyReLU(0.2), Dropout(0.3),
            nn.Linear(256, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return in_full(self.model(as_rows(x, self.img_dim, noted("The discriminator"), noted("images"))))

    def probability(self, x: Tensor) -> Tensor:
        """x [B, D] -> the probability of being real [B, 1], the chapter's output."""
        return self(x).sigmoid()


class MixtureGenerator(nn.Module):
    """A generator of points, for mixtures whose density is known: z [B, L] -> [B, data_dim], of any size.

    PacGAN's (Lin et al. 2018) has hidden_dim=400, hidden_layers=4, batch_norm=True.
    """

    def __init__(
        self,
        latent_dim: int = 2,
        hidden_dim: int = 128,
        hidden_layers: int = 3,
        batch_norm: bool = False,
        data_dim: int = 2,
    ):
        super().__init__()
        check_sizes(latent_dim=latent_dim, data_dim=data_dim)
        check_sizes(hidden_dim=hidden_dim, hidden_layers=hidden_layers)
        self.latent_dim = latent_dim
        self.model = mlp([latent_dim, *[hidden_dim] * hidden_layers, data_dim], batch_norm=batch_norm)

    def forward(self, z: Tensor) -> Tensor:
        return self.model(as_rows(z, self.latent_dim, noted("The generator"), noted("latent vectors")))


class MixtureDiscriminator(nn.Module):
    """A discriminator of points: [B, data_dim] -> logits [B, 1], with ReLU, or with `maxout` pieces a unit if above 1.

    PacGAN's (Lin et al. 2018) has hidden_dim=200, hidden_layers=3, maxout=5, and pack=2 to 4.

    Args:
        pack: m: so many points that follow one another in the batch are judged as one, [B, data_dim] -> logits [B/m, 1],
            all of them real or all generated. What all have in common, such as a mode left out, then shows. B must be a
            multiple of m.
    """

    def __init__(
        self, hidden_dim: int = 128, hidden_layers: int = 3, maxout: int = 1, data_dim: int = 2, pack: int = 1
    ):
        super().__init__()
        check_sizes(hidden_dim=hidden_dim, hidden_layers=hidden_layers, maxout=maxout, data_dim=data_dim, pack=pack)
        self.data_dim, self.pack = data_dim, pack
        sizes = [pack * data_dim, *[hidden_dim] * hidden_layers]
        if maxout == 1:
            self.model = mlp([*sizes, 1])
        else:
            hidden = [Maxout(inputs, outputs, maxout) for inputs, outputs in zip(sizes, sizes[1:])]
            self.model = nn.Sequential(*hidden, nn.Linear(hidden_dim, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = as_rows(x, self.data_dim, noted("The discriminator"), noted("points"))
        return in_full(self.model(in_packs(x, self.pack).flatten(1)))  # (B, D) -> (B/m, m, D) -> (B/m, m·D) -> (B/m, 1)

    def probability(self, x: Tensor) -> Tensor:
        """x [B, data_dim] -> the probability of being real [B/m, 1]."""
        return self(x).sigmoid()
