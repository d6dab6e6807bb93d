"""From a table of runs to a decision, in Python: fit, check the certificate, allocate, plot.

    python examples/fit_and_decide.py [runs.csv]

Without a file it uses the ladder of real models in the package.
"""

import sys

import jaxscale
from jaxscale.datasets import load
from jaxscale.plotting.fit import plot_fit
from jaxscale.plotting.style import save


def main() -> None:
    runs = jaxscale.read_runs(sys.argv[1]) if len(sys.argv) > 1 else load("stdlib_ladder")
    fit = jaxscale.fit(jaxscale.Chinchilla(), runs)
    print(fit, end="\n\n")

    # The field's other question: how much does the answer depend on the robust loss?
    budget = 10 * runs.column("C").max()
    for delta in (1e-4, 1e-3, 1e-2):
        other = jaxscale.fit(jaxscale.Chinchilla(), runs, loss=jaxscale.Huber(delta), starts=64)
        best = jaxscale.allocate(other.law, compute=budget)
        print(f"delta {delta:g}: alpha {other.law.alpha:.3f}, ", end="")
        print(f"best N at {budget:.2g} FLOPs {best.N:.3g}")

    save(plot_fit(fit), "fit.png")
    fit.save("fit.json")


if __name__ == "__main__":
    main()
