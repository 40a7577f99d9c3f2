"""The command line: `python -m chapter10 list | train | compare | sweep | measure | bench | author | classroom`."""

import argparse
import errno
import os
import sys

from chapter10.errors import Chapter10Error, InputError, did_you_mean
from chapter10.language import choose, say


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m chapter10", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_list(commands)
    from chapter10 import authoring, classroom, run_commands

    run_commands.add_parsers(commands)
    _add_measure(commands)
    _add_bench(commands)
    authoring.add_parser(commands)
    classroom.add_parser(commands)
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):  # one that can't write a sign of the language writes its number
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        choose()  # as CHAPTER10_LANGUAGE says
        code = options.run(options) or 0
        sys.stdout.flush()  # here, where a reader who has gone can still be met
        return code
    except Chapter10Error as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:  # a run says how it goes on
        print(stop if stop.args else say("Stopped by hand; what was saved before is whole."), file=sys.stderr)
        return 130
    except OSError as error:  # of standard output; who writes files tells of them with a sentence of its own
        full = error.errno == errno.ENOSPC
        if not full and not isinstance(error, BrokenPipeError):
            raise
        if full:  # else its reader has gone, as `| head` does, and needs no word
            print(say("What is printed can't be written: the disk is full. Free some space."), file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where what is still to be written goes
        return 1


def _add_list(commands) -> None:
    parser = commands.add_parser("list", help="the recipes, and the scores of their stored weights")
    parser.set_defaults(run=_list)


def _list(options) -> int:
    from chapter10 import recipes

    for recipe in recipes.RECIPES.values():
        print(f"{recipe.name:<20} {recipe.about}")
        if recipes.weights_path(recipe.name).is_file():
            about = recipes.about(recipe.name)
            figures = ", ".join(f"{key} {value:.4g}" for key, value in about["scores"].items())
            print(f"{'':<20} stored: {figures} ({about['command']})")
        ways = recipes.measured_ways(recipe.name)
        if ways:
            told = ", ".join(f"{way} {_between([row[way] for row in ways])}" for way in ("bfloat16", "compiled"))
            print(f"{'':<20} computes in {recipe.precision}; steps a second of a processor against that: {told}")
    return 0


def _between(ratios: list[float | None]) -> str:
    """The range of some ratios, as "1.05 to 1.21 times"; None is for what the processor lacked."""
    known = sorted(ratio for ratio in ratios if ratio is not None)
    return f"{known[0]:.2f} to {known[-1]:.2f} times" if known else "not measured"


def _add_measure(commands) -> None:
    parser = commands.add_parser("measure", help="run an experiment over seeds and store its result")
    parser.add_argument("name", help="such as latent-space-mnist")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1, help="processes to share the seeds")
    parser.add_argument("--out", help="where to write the result (default: the package's own)")
    parser.set_defaults(run=_measure)


def _measure(options) -> int:
    from chapter10 import experiments

    result = experiments.measure(options.name, options.seeds, options.workers, options.out)
    print(f"Stored: {options.out or experiments.result_path(options.name).name} ({result['seconds']} s)")
    return 0


OF_MNIST = ("vae", "gan", "better-vaes", "better-gans", "scale")
BENCHES = (*OF_MNIST[:-1], "exercises", "classroom", "live", "scale")


def _add_bench(commands) -> None:
    parser = commands.add_parser("bench", help="speed and quality, side by side in one run (models: needs MNIST)")
    parser.add_argument("name", help=", ".join(BENCHES))
    parser.add_argument("--json", help="write what was measured here")
    parser.add_argument("--data", help="the folder that holds MNIST/raw (default: CHAPTER10_DATA, else the cache)")
    parser.set_defaults(run=_bench)


def _bench(options) -> int:
    if options.name not in BENCHES:
        raise InputError(
            "There is no bench {name!r}.{value} There are: {choices}.",
            name=options.name,
            value=did_you_mean(options.name, BENCHES),
            choices=', '.join(BENCHES),
        )
    import os

    from chapter10 import (
        bench,
        bench_better_gans,
        bench_better_vaes,
        bench_classroom,
        bench_exercises,
        bench_gan,
        bench_live,
        bench_scale,
        data,
        environment,
        experiments,
        files,
    )

    if options.json:
        files.check_writable(options.json)
    environment.setup()
    root = options.data or os.environ.get("CHAPTER10_DATA")
    if not root:
        root = str(data.cache_folder())
        if options.name in OF_MNIST:
            data.load("mnist")  # into the cache, or how it can be had is told
    benches = {
        "vae": bench.vae,
        "gan": bench_gan.gan,
        "better-vaes": bench_better_vaes.better_vaes,
        "better-gans": bench_better_gans.better_gans,
        "exercises": bench_exercises.exercises,
        "classroom": lambda _: bench_classroom.classroom(),
        "live": lambda _: bench_live.live(),
        "scale": bench_scale.scale,
    }
    found = benches[options.name](root)
    if options.json:
        experiments.save_result(options.name, found, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
