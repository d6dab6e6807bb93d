"""From a table of runs to a decision, in Python: fit, check the certificate, allocate, plot.

    python examples/fit_and_decide.py [runs.csv]

Without a file it uses the simulated table in the package.
"""

import sys

import jaxscale
from jaxscale.plotting import plot_fit, save
from jaxscale.synthetic import read_demo


def main() -> None:
    runs = jaxscale.read_runs(sys.argv[1]) if len(sys.argv) > 1 else read_demo()
    fit = jaxscale.fit(jaxscale.Chinchilla(), runs)
    print(fit, end="\n\n")

    # The field's other question: how much does the answer depend on the robust loss?
    for delta in (1e-4, 1e-3, 1e-2):
        other = jaxscale.fit(jaxscale.Chinchilla(), runs, loss=jaxscale.Huber(delta), starts=64)
        best = jaxscale.allocate(other.law, compute=1e22)
        print(f"delta {delta:g}: alpha {other.law.alpha:.3f}, best N at 1e22 FLOPs {best.N:.3g}")

    save(plot_fit(fit), "fit.png")
    fit.save("fit.json")


if __name__ == "__main__":
    main()
