"""Adam (Kingma and Ba 2015) over all parameters as one long vector.

torch's Adam calls its kernel with a list of parameters and counts the steps of each; between the products of networks
as small as the chapter's that takes as long as the arithmetic of Adam itself. Here weights, gradients, means and counts
of a network lie side by side in memory, and one call moves them all. To the outside nothing changes: `state` and
`state_dict` are those of `torch.optim.Adam`, whose arithmetic it is.

Each parameter begins at a multiple of 64 bytes, as memory that torch hands out does, with zeros in between: products of
matrices may round otherwise where they begin elsewhere, and a training resumed from a file would not end as it should.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adam import adam as adam_function

ALIGNED = 16  # float32 numbers in 64 bytes


class OneVectorAdam(torch.optim.Adam):
    """torch's fused Adam for contiguous float32 parameters on the CPU, in one piece.

    Gradients that are written into `.grad` in place, as `backprop` does, are there already; new ones are copied first.
    For other parameters, or where one has or had no gradient, it is torch's own step.

    Args:
        params: of one network; lr, betas: as in torch.optim.Adam.
    """

    # the weights, gradients, means and means of squares of all parameters, each [sizes rounded up and added]; what counts the steps
    _vectors: tuple[Tensor, ...] | None = None
    _counts: Tensor | None = None

    def __init__(self, params: Iterable[nn.Parameter], lr: float, betas: tuple[float, float] = (0.9, 0.999)):
        super().__init__(params, lr=lr, betas=betas, fused=True)

    @torch.no_grad()
    def step(self) -> None:
        """One update of all parameters from their `.grad`."""
        parameters = self.param_groups[0]["params"]
        if len(self.param_groups) > 1 or not all(map(_fits, parameters)):
            self._vectors = None
        elif self._vectors is None or not _in_place(parameters, self._vectors[0]):
            self._line_up(parameters)
        if self._vectors is None:
            super().step()
            return
        weights, gradients, means, squares = self._vectors
        if not _in_place([p.grad for p in parameters], gradients):
            torch.cat(_padded([p.grad for p in parameters]), out=gradients)
        group = self.param_groups[0]
        beta1, beta2 = group["betas"]
        self._counts[1:] += 1  # the function counts the first
        adam_function(
            [weights], [gradients], [means], [squares], [], [self._counts[0]],
            fused=True, amsgrad=False, beta1=beta1, beta2=beta2, lr=group["lr"],
            weight_decay=0.0, eps=group["eps"], maximize=False,
        )  # fmt: skip

    def load_state_dict(self, state_dict: dict) -> None:
        super().load_state_dict(state_dict)
        self._vectors = None  # the means are new tensors: to be put in line at the next step

    def _line_up(self, parameters: list[nn.Parameter]) -> None:
        """Move weights, gradients, means and counts into a vector each, of which the parameters' own become views.

        Not if some parameter has made fewer steps than others.
        """
        self._vectors = None
        states = [self.state[p] for p in parameters]
        for p, state in zip(parameters, states):
            if not state:
                state.update(step=torch.zeros(()), exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
        if len({state["step"].item() for state in states}) > 1:
            return
        weights, all_weights = _vector([p.data for p in parameters])
        gradients, all_gradients = _vector([p.grad for p in parameters])
        means, all_means = _vector([state["exp_avg"] for state in states])
        squares, all_squares = _vector([state["exp_avg_sq"] for state in states])
        self._counts = torch.stack([state["step"] for state in states])
        for i, (p, state) in enumerate(zip(parameters, states)):
            p.data, p.grad = weights[i], gradients[i]
            state.update(step=self._counts[i], exp_avg=means[i], exp_avg_sq=squares[i])
        self._vectors = all_weights, all_gradients, all_means, all_squares


def _fits(p: nn.Parameter) -> bool:
    return p.grad is not None and p.dtype == torch.float32 and p.device.type == "cpu" and p.is_contiguous()


def _padded(parts: list[Tensor]) -> list[Tensor]:
    """The numbers of each tensor, and as many zeros as it takes to the next multiple of 64 bytes."""
    rows = [part.reshape(-1) for part in parts]
    return [piece for row in rows for piece in (row, row.new_zeros(-len(row) % ALIGNED))]


def _vector(parts: list[Tensor]) -> tuple[list[Tensor], Tensor]:
    """The tensors as views of one vector that holds their numbers, and that vector."""
    pieces = _padded(parts)
    whole = torch.cat(pieces)
    places = whole.split([len(piece) for piece in pieces])[::2]
    return [place.view(part.shape) for place, part in zip(places, parts)], whole


def _in_place(parts: list[Tensor], whole: Tensor) -> bool:
    """Whether the tensors lie one behind the other in that vector."""
    address = whole.data_ptr()
    for part in parts:
        if part.data_ptr() != address:
            return False
        address += -(-part.numel() // ALIGNED) * ALIGNED * 4  # bytes of a float32
    return True
