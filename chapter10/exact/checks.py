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
        raise InputError(
            "{name} is {found}; give a tensor of floats of shape {wanted}.",
            name=name,
            found=found,
            wanted=wanted,
        )
    fits = len(value.shape) == len(shape) and all(
        n > 0 if isinstance(s, str) else n == s for n, s in zip(value.shape, shape, strict=True)
    )
    if not fits:
        raise InputError(
            "{name} has shape {shape}; expected {wanted}.",
            name=name,
            shape=list(value.shape),
            wanted=wanted,
        )
    if like is not None and value.dtype != like.dtype:
        raise InputError(
            "{name} is {dtype} and {like_name} is {dtype_2}; convert one with .to(...).",
            name=name,
            dtype=value.dtype,
            like_name=like_name,
            dtype_2=like.dtype,
        )
