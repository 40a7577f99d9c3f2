"""The map of codes of a VQ-VAE, which the reader changes cell by cell; the picture is decoded in the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chapter10.errors import InputError
from chapter10.int8 import as_numpy, base64_of, finite_array
from chapter10.int8_maps import MapLayer, int8_maps
from chapter10.language import say
from chapter10.live.page import LiveFigure, figure, pixels_of, place_of
from chapter10.stills import BLUE, LINE, Still

SIDE, SMALL, TOP = 280, 112, 24
SECOND = TOP + SMALL + 40  # where the second of the small pictures begins
MOST_SHOWN, MOST_CODES, MOST_CELLS = 24, 256, 256
LARGEST, SLOWEST = 100_000, 8_000_000  # weights and multiplications: more, and the page gets large or slow


def code_figure(
    layers: Sequence[MapLayer],
    codebook: Any,
    codes: Any,
    images: Any,
    *,
    shown: int = 8,
    start: int = 0,
    cell: tuple[int, int] | None = None,
    names: Sequence[str] | None = None,
    invert: bool = True,
    title: str = "",
    alt: str | None = None,
) -> LiveFigure:
    """The map of an image's codes beside what is decoded from it: choose a cell, give it another code, see what changes.

    What a code stands for is shown as the mean of the images around the cells that hold it: three cells wide, for the
    decoder draws a cell by its neighbours too. Beside the picture: the original, and the change since the codes were as
    encoded. The squared error to the original tells whether the reader's codes are better than the encoder's.

    Args:
        layers: the decoder from code vectors to the picture, as `map_layers_of` gives it.
        codebook: [K, C], the vector of each code, K from 2 to 256.
        codes: [N, h, w], whole numbers below K: the maps of N images. With some hundreds of them most codes show what they are.
        images: [N, D] in [0, 1], the originals.
        shown: how many of the images, the first ones, the reader can choose from, up to 24.
        start: the image shown first, counted from 0. cell: (row, column) chosen first; default: where the image has most ink.
        names: what each image shown is called; default: "image 1" and so on. invert: draw 1 as ink on white paper.
    Raises:
        InputError: for parts that don't fit one another, or a decoder too large for a page.
    """
    decoder = int8_maps(layers)
    book = finite_array(codebook, "codebook", 2).astype(np.float32)
    if not 2 <= len(book) <= MOST_CODES:
        raise InputError(
            "The codebook has {count} codes; the figure shows from 2 to {MOST_CODES}.",
            count=len(book),
            MOST_CODES=MOST_CODES,
        )
    if book.shape[1] != decoder.channels:
        raise InputError(
            "The codebook's vectors have {size} numbers, but the decoder takes {channels} channels.",
            size=book.shape[1],
            channels=decoder.channels,
        )
    maps = _maps(codes, len(book))
    rows, columns = maps.shape[1:]
    shape = decoder.size((rows, columns))
    if decoder.layers[-1].channels != 1:
        raise InputError(
            "The decoder gives {channels} channels; the figure shows pictures of one.",
            channels=decoder.layers[-1].channels,
        )
    weights = sum(layer.weight.size for layer in decoder.layers)
    work = decoder.multiplications((rows, columns))
    if weights > LARGEST or work > SLOWEST:
        raise InputError(
            "The decoder has {weights:,} weights and takes {work:,} multiplications a picture; a page has room for "
            "{LARGEST:,} and time for {SLOWEST:,}. Give one with fewer channels.",
            weights=weights,
            work=work,
            LARGEST=LARGEST,
            SLOWEST=SLOWEST,
        )
    pixels = pixels_of(images, shape, len(maps))
    if len(pixels) != len(maps):
        raise InputError(
            "There are {count} images for {count_2} maps of codes. Give one for each.",
            count=len(pixels),
            count_2=len(maps),
        )
    shown = 1 + place_of(shown - 1, min(len(maps), MOST_SHOWN), "shown − 1")
    english = [f"image {i + 1}" for i in range(shown)] if names is None else [str(t) for t in names]
    names = [say("image {number}", number=i + 1) for i in range(shown)] if names is None else english
    if len(names) != shown:
        raise InputError(
            "There are {count} names for {shown} images. Give one for each that is shown.",
            count=len(names),
            shown=shown,
        )
    start = place_of(start, shown, "start")
    if cell is None:
        ink = np.add.reduceat(pixels[start].reshape(shape).astype(int), np.arange(rows) * shape[0] // rows, 0)
        ink = np.add.reduceat(ink, np.arange(columns) * shape[1] // columns, 1)  # (h, w): of each cell
        cell = divmod(int(ink.argmax()), columns)
    if len(cell) != 2:
        raise InputError("cell = {cell!r} is no place in the map; give (row, column).", cell=cell)
    row, column = cell
    row, column = place_of(row, rows, say("the row of cell")), place_of(column, columns, say("the column of cell"))
    tiles, used = _tiles(maps, pixels.reshape(-1, *shape), len(book))
    maps, pixels = maps[:shown], pixels[:shown]
    size = SIDE // max(rows, columns)
    many = 16 if len(book) <= 96 else 24
    width = 2 * SIDE + SMALL + 24
    data = {
        "net": decoder.payload(), "codebook": base64_of(book), "codes": base64_of(maps), "pixels": base64_of(pixels),
        "tiles": base64_of(tiles), "tile": tiles.shape[1], "count": len(book), "grid": [rows, columns], "shape": list(shape),
        "names": names, "used": [f"{100 * u:.1f} %" for u in used], "start": start, "cell": row * columns + column,
        "side": SIDE, "column": SMALL, "cells": size,
        "scale": max(1, SIDE // max(shape)), "small": max(1, SMALL // max(shape)), "second": SECOND, "width": width,
        "columns": many, "palette": TOP + round(width / many * -(-len(book) // many)), "number": 10 if size >= 36 else 8,
        "invert": invert, "about": say("the {count} codes: mean of the images around the cells that hold them", count=len(book)),
    }  # fmt: skip
    vectors = book[maps[start]].transpose(2, 0, 1)[None]  # (1, C, h, w)
    picture = decoder(vectors)[0, 0]
    error = float(((pixels[start] / 255 - picture.flatten()) ** 2).sum())
    alt = alt or say(
        "The map of {rows} times {columns} codes of {image}, each cell with its number and what the code stands for; the"
        " picture decoded from it, with a squared error of {error:.2f} to the original beside it; and the {count} codes to"
        " choose from. Row {row}, column {column} is chosen, code {code}. Cells and codes are chosen"
        " by mouse, touch or keys.",
        rows=rows, columns=columns, image=names[start], error=error, count=len(book), row=row + 1, column=column + 1,
        code=maps[start, row, column],
    )  # fmt: skip
    hint = say(
        "Choose a cell, then a code below. Keys: arrows move from cell to cell, + and − change the code. Numbers that are"
        " neighbours mean nothing: codes have no order. Change: ink gained in blue, lost in orange."
    )
    about = f"the {len(book)} codes: mean of the images around the cells that hold them"
    still = _still({**data, "names": english, "about": about}, tiles, maps[start], pixels[start], picture)
    return figure("code", data, still, title, alt, hint)


def _maps(codes: Any, count: int) -> np.ndarray:
    """uint8 [N, h, w]."""
    a = as_numpy(codes)
    if a.ndim != 3 or a.size == 0 or a[0].size > MOST_CELLS:
        raise InputError(
            "codes has the shape {shape}; expected [N, h, w], with {MOST_CELLS} cells at most.",
            shape=list(a.shape),
            MOST_CELLS=MOST_CELLS,
        )
    if a.dtype.kind not in "iu" or a.min() < 0 or a.max() >= count:
        raise InputError(
            "codes holds {dtype} from {lowest} to {highest}; expected whole numbers from 0 to {count_less_1}, "
            "places in the codebook.",
            dtype=a.dtype,
            lowest=a.min(),
            highest=a.max(),
            count_less_1=count - 1,
        )
    return a.astype(np.uint8)


def _tiles(maps: np.ndarray, pixels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the images around the cells of each code, uint8 [K, t, t], three cells wide; and its share of the cells [K]."""
    (_, h, w), (n, rows, columns) = pixels.shape, maps.shape
    high, wide = h / rows, w / columns
    t = max(1, round(3 * min(high, wide)))
    padded = np.pad(pixels, ((0, 0), (t, t), (t, t))).astype(np.float32)
    sums, uses = np.zeros((count, t, t)), np.bincount(maps.flatten(), minlength=count)
    for r in range(rows):
        for c in range(columns):
            y, x = (int(t + (p + 0.5) * size - t / 2) for p, size in ((r, high), (c, wide)))
            chosen = np.zeros((count, n), dtype=np.float32)
            chosen[maps[:, r, c], np.arange(n)] = 1
            sums += (chosen @ padded[:, y : y + t, x : x + t].reshape(n, -1)).reshape(count, t, t)
    return np.rint(sums / np.maximum(uses, 1)[:, None, None]).astype(np.uint8), uses / maps.size


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
        still.text(str(k), x + s - 5, y + s - 5, size=data["number"], align="right", halo=True)

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
    still.text(data["about"], 2, below + 15, bold=True)
    for k in range(len(tiles)):
        y, x = divmod(k, data["columns"])
        code(k, x * each, below + TOP + y * each, each)
        frame(x * each, below + TOP + y * each, each, each, LINE, 1)
    y, x = divmod(int(codes[row, column]), data["columns"])
    frame(x * each, below + TOP + y * each, each, each, BLUE, 4)
    return still
