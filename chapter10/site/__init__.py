"""The companion as web pages: `python -m chapter10 author site [--out site]` writes a folder that needs no server.

The pages show the stored outputs; nothing is run. `markup` turns Markdown into HTML and formulas into MathML, `cells` a
notebook into the body of a page, `pages` puts the frame around it, `search` makes the index that the pages search.
Nothing is asked from another address: style, scripts, pictures and index lie in the folder, and links between them are
relative, so that it can be opened from a disk, a stick or any address.
"""

from __future__ import annotations

from pathlib import Path

from chapter10.authoring.texts import ROOT
from chapter10.errors import InputError, SaveError
from chapter10.files import check_writable, write_atomic
from chapter10.site.pages import build

LIST = "files.txt"  # what an export wrote, so that the next one may delete what is no longer part of it


def export(out: str | Path, root: Path = ROOT) -> dict[str, int]:
    """Write all pages into the folder `out`; the size in bytes of each file, by its path in the folder.

    The same notebooks give the same bytes. A file of an earlier export that is no longer needed is deleted; nothing
    else is. Raises InputError where `out` is a file or holds something else, or where a formula, a link or a picture
    can't be shown; SaveError where it can't be written. Nothing is written before all pages are made.
    """
    out = Path(out)
    earlier = _earlier(out)
    check_writable(out / LIST)
    files = build(root)
    files[LIST] = ("\n".join(sorted(files)) + "\n").encode()
    for name, content in files.items():
        path = out / name
        if not path.is_file() or path.read_bytes() != content:
            write_atomic(path, content)
    for name in earlier - files.keys():
        try:
            (out / name).unlink(missing_ok=True)
        except OSError as error:
            raise SaveError(
                "{value}, left from an earlier export, can't be deleted ({strerror}). Delete it by hand.",
                value=out / name,
                strerror=error.strerror,
            ) from None  # fmt: skip
    return {name: len(content) for name, content in files.items()}


def _earlier(out: Path) -> set[str]:
    """The files that an earlier export left in `out`. Raises InputError for a file, or a folder of something else."""
    if out.exists() and not out.is_dir():
        raise InputError(
            "{out} is a file; the pages need a folder. Give another path, or move the file away.",
            out=out,
        )
    try:
        if not out.is_dir() or not any(out.iterdir()):
            return set()
        if (out / LIST).is_file():
            names = {Path(name) for name in (out / LIST).read_text("utf-8").splitlines()}
            return {name.as_posix() for name in names if not name.is_absolute() and ".." not in name.parts}
    except OSError as error:
        raise SaveError(
            "{out} can't be read ({strerror}). Give a folder where you may read and write.",
            out=out,
            strerror=error.strerror,
        ) from None
    raise InputError(
        "{out} holds files that are not from an earlier export. Give an empty folder, or a path that isn't there "
        "yet.",
        out=out,
    )
