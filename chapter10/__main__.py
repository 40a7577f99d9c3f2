"""The command line: `python -m chapter10 list | train | measure | bench | author | classroom`."""

import argparse
import sys

from chapter10.errors import Chapter10Error


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m chapter10", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_list(commands)
    _add_train(commands)
    _add_measure(commands)
    _add_bench(commands)
    from chapter10 import authoring, classroom

    authoring.add_parser(commands)
    classroom.add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options) or 0
    except Chapter10Error as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped by hand; what was saved before is whole.", file=sys.stderr)
        return 130


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
    return 0


def _add_train(commands) -> None:
    parser = commands.add_parser("train", help="train a recipe and store its weights")
    parser.add_argument("name", help="a name from `list`")
    parser.add_argument("--scale", default="quick", help="smoke, quick (default) or full")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", help="where to write the weights (default: the package's own)")
    parser.add_argument("--checkpoint", help="a file written after each epoch; if there, training goes on from it")
    parser.set_defaults(run=_train)


def _train(options) -> int:
    from chapter10 import environment, recipes

    environment.setup(seed=options.seed, scale=options.scale, device=options.device)
    _, about = recipes.train(
        options.name, options.scale, options.seed, options.device, options.out, options.checkpoint
    )
    print(f"Stored: {options.out or recipes.weights_path(options.name).name}")
    for key, value in about["scores"].items():
        print(f"  {key}: {value:.4f}")
    return 0


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


def _add_bench(commands) -> None:
    parser = commands.add_parser("bench", help="speed and quality, side by side in one run (models: needs MNIST)")
    parser.add_argument("name", choices=["vae", "gan", "better-vaes", "better-gans", "exercises", "classroom", "live"])
    parser.add_argument("--json", help="write what was measured here")
    parser.add_argument("--data", help="the folder that holds MNIST/raw (default: CHAPTER10_DATA, else the cache)")
    parser.set_defaults(run=_bench)


def _bench(options) -> int:
    import os

    from chapter10 import (
        bench,
        bench_better_gans,
        bench_better_vaes,
        bench_classroom,
        bench_exercises,
        bench_gan,
        bench_live,
        data,
        environment,
        experiments,
    )

    environment.setup()
    root = options.data or os.environ.get("CHAPTER10_DATA") or str(data.cache_folder())
    benches = {
        "vae": bench.vae,
        "gan": bench_gan.gan,
        "better-vaes": bench_better_vaes.better_vaes,
        "better-gans": bench_better_gans.better_gans,
        "exercises": bench_exercises.exercises,
        "classroom": lambda _: bench_classroom.classroom(),
        "live": lambda _: bench_live.live(),
    }
    found = benches[options.name](root)
    if options.json:
        experiments.save_result(options.name, found, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
