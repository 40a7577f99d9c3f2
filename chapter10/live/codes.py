"""The map of codes of a VQ-VAE, which the reader changes cell by cell; the picture is decoded in the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chapter10.errors import InputError
from chapter10.int8 import as_numpy, base64_of, finite_array
from chapter10.int8_maps import Int8Maps, MapLayer, int8_maps
from chapter10.live.page import LiveFigure, figure, pixels_of, place_of
from chapter10.stills import BLUE, LINE, Still

SIDE, SMALL, TOP = 280, 112, 24
SECOND = TOP + SMALL + 40  # where the second of the small pictures begins
MOST_IMAGES, MOST_CODES, MOST_CELLS = 24, 256, 256
LARGEST, SLOWEST = 100_000, 8_000_000  # weights and multiplications: more, and the page gets large or slow


def code_figure(
    layers: Sequence[MapLayer],
    codebook: Any,
    codes: Any,
    images: Any,
    *,
    start: int = 0,
    cell: tuple[int, int] | None = None,
    names: Sequence[str] | None = None,
    invert: bool = True,
    title: str = "",
    alt: str | None = None,
) -> LiveFigure:
    """The map of an image's codes beside what is decoded from it: choose a cell, give it another code, see what changes.

    A code is shown as it is drawn alone: in the middle of a map that else holds the code most often used. Beside the
    picture: the original, and the change since the codes were as encoded. The squared error to the original tells
    whether the reader's codes are better than the encoder's.

    Args:
        layers: the decoder from code vectors to the picture, as `map_layers_of` gives it.
        codebook: [K, C], the vector of each code, K from 2 to 256.
        codes: [N, h, w], whole numbers below K: the maps of N images, up to 24.
        images: [N, D] in [0, 1], the originals.
        start: the image shown first, counted from 0. cell: (row, column) chosen first; default: the middle.
        names: what each image is called; default: "image 1" and so on. invert: draw 1 as ink on white paper.
    Raises:
        InputError: for parts that don't fit one another, or a decoder too large for a page.
    """
    decoder = int8_maps(layers)
    book = finite_array(codebook, "codebook", 2).astype(np.float32)
    if not 2 <= len(book) <= MOST_CODES:
        raise InputError(f"The codebook has {len(book)} codes; the figure shows from 2 to {MOST_CODES}.")
    if book.shape[1] != decoder.channels:
        raise InputError(
            f"The codebook's vectors have {book.shape[1]} numbers, but the decoder takes {decoder.channels} channels."
        )
    maps = _maps(codes, len(book))
    n, rows, columns = maps.shape
    shape = decoder.size((rows, columns))
    if decoder.layers[-1].channels != 1:
        raise InputError(
            f"The decoder gives {decoder.layers[-1].channels} channels; the figure shows pictures of one."
        )
    weights = sum(layer.weight.size for layer in decoder.layers)
    work = decoder.multiplications((rows, columns))
    if weights > LARGEST or work > SLOWEST:
        raise InputError(
            f"The decoder has {weights:,} weights and takes {work:,} multiplications a picture; a page has room for"
            f" {LARGEST:,} and time for {SLOWEST:,}. Give one with fewer channels."
        )
    pixels = pixels_of(images, shape, MOST_IMAGES)
    if len(pixels) != n:
        raise InputError(f"There are {len(pixels)} images for {n} maps of codes. Give one for each.")
    names = [f"image {i + 1}" for i in range(n)] if names is None else [str(t) for t in names]
    if len(names) != n:
        raise InputError(f"There are {len(names)} names for {n} images. Give one for each.")
    start = place_of(start, n, "start")
    row, column = (rows // 2, columns // 2) if cell is None else cell
    row, column = place_of(row, rows, "the row of cell"), place_of(column, columns, "the column of cell")
    tiles = _tiles(decoder, book, maps)
    size = SIDE // max(rows, columns)
    many = 16 if len(book) <= 96 else 24
    width = 2 * SIDE + SMALL + 24
    data = {
        "net": decoder.payload(), "codebook": base64_of(book), "codes": base64_of(maps), "pixels": base64_of(pixels),
        "tiles": base64_of(tiles), "tile": tiles.shape[1], "count": len(book), "grid": [rows, columns], "shape": list(shape),
        "names": names, "start": start, "cell": row * columns + column, "side": SIDE, "column": SMALL, "cells": size,
        "scale": max(1, SIDE // max(shape)), "small": max(1, SMALL // max(shape)), "second": SECOND, "width": width,
        "columns": many, "palette": TOP + round(width / many * -(-len(book) // many)), "number": 10 if size >= 36 else 8,
        "invert": invert,
    }  # fmt: skip
    vectors = book[maps[start]].transpose(2, 0, 1)[None]  # (1, C, h, w)
    picture = decoder(vectors)[0, 0]
    error = float(((pixels[start] / 255 - picture.flatten()) ** 2).sum())
    alt = alt or (
        f"The map of {rows} times {columns} codes of {names[start]}, each cell with its number and how the code is drawn alone; the"
        f" picture decoded from it, with a squared error of {error:.2f} to the original beside it; and the {len(book)} codes to"
        f" choose from. Row {row + 1}, column {column + 1} is chosen, code {maps[start, row, column]}. Cells and codes are chosen"
        " by mouse, touch or keys."
    )
    hint = (
        "Choose a cell, then a code below. Keys: arrows move from cell to cell, + and − change the code. Numbers that are"
        " neighbours mean nothing: codes have no order. Change: ink gained in blue, lost in orange."
    )
    still = _still(data, tiles, maps[start], pixels[start], picture)
    return figure("code", data, still, title, alt, hint)


def _maps(codes: Any, count: int) -> np.ndarray:
    """uint8 [N, h, w]."""
    a = as_numpy(codes)
    if a.ndim != 3 or not 1 <= len(a) <= MOST_IMAGES or not 1 <= a[0].size <= MOST_CELLS:
        raise InputError(
            f"codes has the shape {list(a.shape)}; expected [N, h, w], with up to {MOST_IMAGES} images of up to {MOST_CELLS} cells."
        )
    if a.dtype.kind not in "iu" or a.min() < 0 or a.max() >= count:
        raise InputError(
            f"codes holds {a.dtype} from {a.min()} to {a.max()}; expected whole numbers from 0 to {count - 1}, places in the codebook."
        )
    return a.astype(np.uint8)


def _tiles(decoder: Int8Maps, book: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """How each code is drawn alone, uint8 [K, t, t]: the middle of 7×7 cells, with one cell around it."""
    usual = np.bincount(maps.flatten(), minlength=len(book)).argmax()
    alone = np.full((len(book), 7, 7), usual)
    alone[:, 3, 3] = np.arange(len(book))
    drawn = decoder(book[alone].transpose(0, 3, 1, 2))[:, 0]
    high, wide = (n / 7 for n in drawn.shape[1:])
    t = int(min(3 * high, 3 * wide, min(drawn.shape[1:])))
    y, x = (int(round((n - t) / 2)) for n in drawn.shape[1:])
    return np.rint(255 * np.clip(drawn[:, y : y + t, x : x + t], 0, 1)).astype(np.uint8)


def _still(
    data: dict[str, Any], tiles: np.ndarray, codes: np.ndarray, original: np.ndarray, picture: np.ndarray
) -> Still:
    """What the page draws first."""
    (rows, columns), (h, w), size = data["grid"], data["shape"], data["cells"]
    still = Still(data["width"], SIDE + TOP + 12 + data["palette"])

    def shade(p: np.ndarray) -> np.ndarray:
        return 1 - p if data["invert"] else p

    def code(k: int, x: float, y: float, s: float) -> None:
        still.image(shade(tiles[k] / 255), x, y, s, s)
        still.text(str(k), x + s - 2, y + s - 3, size=data["number"], align="right", halo=True)

    def frame(x: float, y: float, s: float, t: float, color: str, line: float) -> None:
        e = line / 2
        across, down = (
            [x + e, x + s - e, x + s - e, x + e, x + e],
            [y + e, y + e, y + t - e, y + t - e, y + e],
        )
        still.curve(across, down, color, line, over=True)

    row, column = divmod(data["cell"], columns)
    still.text(f"codes of {data['names'][data['start']]}", 2, 15, bold=True)
    for r in range(rows):
        for c in range(columns):
            code(codes[r, c], c * size, TOP + r * size, size)
            frame(c * size, TOP + r * size, size, size, LINE, 1)
    frame(column * size, TOP + row * size, size, size, BLUE, 4)
    original = original.reshape(h, w) / 255
    for x, y, label, scale, pixels, line in (
        (SIDE + 12, TOP, "decoded", data["scale"], picture, 2),
        (2 * SIDE + 24, TOP, "original", data["small"], original, 0),
        (2 * SIDE + 24, SECOND, "change", data["small"], np.full((h, w), 0.0 if data["invert"] else 1.0), 1),
    ):
        still.text(label, x + 2, y - 9, bold=True)
        still.image(shade(pixels), x, y, w * scale, h * scale)
        if line:
            high, wide = h / rows * scale, w / columns * scale
            frame(x + column * wide, y + row * high, wide, high, BLUE, line)
    below, each = SIDE + TOP + 12, data["width"] / data["columns"]
    still.text(f"the {len(tiles)} codes, each as it is drawn alone", 2, below + 15, bold=True)
    for k in range(len(tiles)):
        y, x = divmod(k, data["columns"])
        code(k, x * each + 1, below + TOP + y * each + 1, each - 2)
    y, x = divmod(int(codes[row, column]), data["columns"])
    frame(x * each, below + TOP + y * each, each, each, BLUE, 4)
    return still
