"""A VAE whose decoder also looks at the pixels before each: p(x|z) = Π_i p(x_i | z, pixels near i that come before it).

Such a decoder can do without z, and then training may leave z unused: posterior collapse (Bowman et al. 2016; Chen et
al. 2017, Variational lossy autoencoder). The window is that of a PixelCNN's first layer (van den Oord, Kalchbrenner and
Kavukcuoglu 2016); the layers after it see one place each, so the window is all that a pixel sees, and sampling is quick.

B images, D = S·S pixels in reading order, L latent dimensions, C channels, W pixels in a window.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chapter10.errors import InputError
from chapter10.nets import check_sizes, mlp
from chapter10.vae import VAE, _as_codes, _as_rows

PIECE = 32  # images decoded at a time where no gradient is wanted: C numbers for each pixel stay in the cache


class AutoregressiveVAE(VAE):
    """The chapter's VAE; to the logits that its decoder draws, a small network adds what the pixels before each say.

    Args:
        input_dim: D, a square number; latent_dim: L; hidden_dim: units in each hidden layer of encoder and decoder.
        context: rows above, and columns to both sides, that a pixel sees: 2·context·(context + 1) pixels that come
            before it. 0 leaves an ordinary VAE, whose pixels are independent given z.
        width: C, units in the two hidden layers of the small network, which is the same for each pixel. It also sees
            the pixel's own logit.
    """

    looks_at_pixels = True  # `vae.logits_of` shows it x

    def __init__(
        self,
        input_dim: int = 784,
        latent_dim: int = 10,
        hidden_dim: int = 256,
        context: int = 3,
        width: int = 32,
    ):
        super().__init__(input_dim, latent_dim, hidden_dim)
        check_sizes(width=width)
        self.side, self.context = math.isqrt(input_dim), context
        if self.side**2 != input_dim:
            raise InputError(
                "input_dim is {input_dim}; a window needs rows and columns, so give a square number such as 784.",
                input_dim=input_dim,
            )
        if not isinstance(context, int) or not 0 <= context < self.side:
            raise InputError(
                "context is {context!r}; give a whole number of rows from 0 to {side_less_1}.",
                context=context,
                side_less_1=self.side - 1,
            )
        self.from_picture = nn.Linear(1, width)
        window = 2 * context * (context + 1)
        self.from_window = nn.Linear(window, width, bias=False) if window else None
        self.head = nn.Sequential(nn.ReLU(), *mlp([width, width, 1]))

    def decode(self, z: Tensor, x: Tensor) -> Tensor:
        """z [B, L], x [B, D] -> logits [B, D]: that of a pixel depends on z and on the pixels of its window alone."""
        if len(_as_codes(z, self.latent_dim)) != len(_as_rows(x, self.input_dim)):
            raise InputError(
                "The decoder takes an image for each code, found {count} codes and {count_2} images.",
                count=len(z),
                count_2=len(x),
            )
        if torch.is_grad_enabled() or len(z) <= PIECE:
            return self._decode(z, x)
        return torch.cat([self._decode(*piece) for piece in zip(z.split(PIECE), x.split(PIECE), strict=True)])

    def _decode(self, z: Tensor, x: Tensor) -> Tensor:
        picture = self.decoder(z)  # (B, D), logits as in the chapter
        h = self.from_picture(picture.unsqueeze(2))  # (B, D, C)
        if self.from_window is not None:
            h = torch.addmm(h.flatten(0, 1), self.windows(x).flatten(0, 1), self.from_window.weight.T)
        return picture + self.head(h).view(-1, self.input_dim)

    def windows(self, x: Tensor) -> Tensor:
        """The pixels that come before each one in its window, in reading order: x [B, D] -> [B, D, W]; 0 outside the image."""
        r, padded = self.context, self._padded(x.view(-1, self.side, self.side))
        blocks = padded.unfold(1, r + 1, 1).unfold(2, 2 * r + 1, 1)  # (B, S, S, r + 1, 2r + 1), a view
        return blocks.reshape(len(x), self.input_dim, -1)[
            ..., : 2 * r * (r + 1)
        ]  # cut before the pixel itself

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [B, D] -> logits [B, D], mu [B, L], log_var [B, L]."""
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var), x), mu, log_var

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None, z: Tensor | None = None) -> Tensor:
        """Binary images [n, D], drawn pixel by pixel; of the codes z [n, L], else of draws from N(0, I)."""
        check_sizes(n=n)
        weight = self.from_picture.weight
        z = torch.randn(n, self.latent_dim, generator=generator).to(weight) if z is None else z
        if len(_as_codes(z, self.latent_dim)) != n:
            raise InputError("{n} samples need as many codes, found {count}.", n=n, count=len(z))
        picture = self.decoder(z).view(n, self.side, self.side, 1)
        drawn = self.from_picture(picture)  # (n, S, S, C)
        uniform = torch.rand(n, self.side, self.side, generator=generator).to(weight)
        r, x = self.context, self._padded(weight.new_zeros(n, self.side, self.side))
        for row in range(self.side):
            for column in range(self.side):
                h = drawn[:, row, column]  # (n, C)
                if self.from_window is not None:
                    block = x[:, row : row + r + 1, column : column + 2 * r + 1].flatten(1)
                    h = h + self.from_window(
                        block[:, : self.from_window.in_features]
                    )  # up to the pixel itself
                probability = (picture[:, row, column] + self.head(h)).squeeze(1).sigmoid()
                x[:, row + r, column + r] = (uniform[:, row, column] < probability).to(x.dtype)
        return x[:, r:, r : r + self.side].flatten(1)

    def _padded(self, x: Tensor) -> Tensor:
        """[B, S, S] with zeros where a window leaves the image: above, left and right."""
        return F.pad(x, (self.context, self.context, self.context, 0))
