"""What every module of this package asks of its tensors."""

from torch import Tensor

from chapter10.errors import InputError


def check_tensor(
    name: str,
    value: Tensor,
    shape: tuple[int | str, ...],
    like: Tensor | None = None,
    like_name: str = "weight",
) -> None:
    """Hold a tensor to a shape (a letter stands for any size above 0), to floats, and to the dtype of `like`."""
    wanted = "[" + ", ".join(map(str, shape)) + "]"
    if not isinstance(value, Tensor) or not value.is_floating_point():
        found = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise InputError(f"{name} is {found}; give a tensor of floats of shape {wanted}.")
    fits = len(value.shape) == len(shape) and all(
        n > 0 if isinstance(s, str) else n == s for n, s in zip(value.shape, shape, strict=True)
    )
    if not fits:
        raise InputError(f"{name} has shape {list(value.shape)}; expected {wanted}.")
    if like is not None and value.dtype != like.dtype:
        raise InputError(
            f"{name} is {value.dtype} and {like_name} is {like.dtype}; convert one with .to(...)."
        )
