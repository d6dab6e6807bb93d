"""Command line of the benchmarks: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from . import report
from .measure import measure
from .problems import default_problem


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks, print the table, and write the JSON where asked."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="jaxscale against SciPy on the Chinchilla problem."
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="R", help="default 5")
    parser.add_argument(
        "--rival-starts", type=int, default=60, metavar="K",
        help="classic starts of each SciPy solver over all rounds; default 60",
    )  # fmt: skip
    parser.add_argument("--full", action="store_true", help="every classic start for SciPy too")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write JSON here")
    parser.add_argument(
        "--precision", choices=("float64", "float32", "mixed"), default="float64",
        help="of the jaxscale fits; answers are always graded in float64",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.rival_starts < 1:
        parser.error("--rounds and --rival-starts must be at least 1")
    problem = default_problem()
    count = len(problem.starts) if options.full else options.rival_starts
    records = measure(
        problem,
        rounds=options.rounds,
        rival_starts=count,
        precision=options.precision,
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )
    settings = {
        "rounds": options.rounds,
        "rival_starts": count,
        "full": options.full,
        "precision": options.precision,
    }
    result = report.document(problem, records, settings)
    print(report.table(result))
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
