"""Table 2 of Shukor et al. 2025: the additive and the joint mixture law, all targets in one call.

    python -m benchmarks.mixture_table               # 200 starts a target, both laws
    python -m benchmarks.mixture_table --starts 50

Huber(1e-3) of the loss itself, on the 1,534 runs of the paper's filter; the 40 runs of 2.7 B
parameters with 20 B tokens or more are predicted (the paper's 7 B run is not public). Errors are
mean relative errors in per cent. Needs the table; CPU seconds of the whole process.
"""

from __future__ import annotations

import argparse
import csv

import numpy as np

import jaxscale

from .mixture import DELTA, DOMAINS, LEAST, TABLE, cpu, sweep
from .problems import find

PRINTED = {
    "arxiv": (0.50, 0.39, 2.09, 1.62), "book": (0.29, 0.24, 0.80, 1.19),
    "c4": (0.29, 0.24, 0.31, 0.34), "github": (0.65, 0.54, 1.17, 2.51),
    "commoncrawl": (0.29, 0.24, 0.58, 0.90), "stackexchange": (0.51, 0.38, 0.36, 0.47),
    "wikipedia": (0.92, 0.57, 4.45, 2.09),
}  # fmt: skip
"""Of the paper: train error of the additive and the joint law, then of the 7 B run."""
LAWS = {"additive": jaxscale.AdditiveMixture[DOMAINS], "joint": jaxscale.JointMixture[DOMAINS]}


def held_out(path: object) -> dict[float, int]:
    """Return the size that is predicted, as the table writes it, and its least tokens."""
    with open(str(path)) as file:
        sizes = {float(row["model_size"]) for row in csv.DictReader(file)}
    return {max(sizes): 20}


def error(law: jaxscale.Law, runs: jaxscale.Runs) -> float:
    """Return the mean relative error of a law on runs, per cent."""
    predicted = jaxscale.predict(law, **{name: runs.column(name) for name in law.inputs})
    return float(100 * np.mean(np.abs(predicted / runs.loss - 1)))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mixture_table", description=__doc__)
    parser.add_argument("--starts", type=int, default=200)
    starts = parser.parse_args().starts
    path = find(TABLE)
    if path is None:
        parser.error(f"needs {TABLE}; JAXSCALE_DATA names the folder of public tables")
    train = {target: sweep(path, target, LEAST) for target in PRINTED}
    test = {target: sweep(path, target, held_out(path)) for target in PRINTED}
    rows = {target: ["", ""] for target in PRINTED}
    for k, (name, law) in enumerate(LAWS.items()):
        begin = cpu()
        fits = jaxscale.fit_many(
            law, train, loss=jaxscale.Huber(DELTA), residual="absolute", starts=starts
        )
        seconds = cpu() - begin
        certified = sum(fit.certificate.trusted for fit in fits.values())
        print(f"{name}: {seconds:.0f} CPU s, {starts} starts a target, {certified} of {len(fits)} "
              "certified")  # fmt: skip
        for target, fit in fits.items():
            own = error(fit.law, train[target]), error(fit.law, test[target])
            printed = PRINTED[target][k], PRINTED[target][2 + k]
            share = fit.certificate.share_at_best * fit.certificate.rivals
            rows[target][k] = (
                f"{own[0]:.2f} ({printed[0]:.2f}) | {own[1]:.2f} ({printed[1]:.2f}) | "
                f"{fit.value:.9g} | {fit.certificate.status}, {round(share)}"
            )
    print("| target | additive: train (printed) | 2.7 B (printed 7 B) | objective | starts at it "
          "| joint: train | 2.7 B | objective | starts at it |")  # fmt: skip
    print("|---" * 9 + "|")
    for target, row in rows.items():
        print(f"| {target} | {row[0]} | {row[1]} |")


if __name__ == "__main__":
    main()
