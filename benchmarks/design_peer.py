"""What simple-scaling-laws suggests, in its own environment: JSON in, JSON out.

Run by `benchmarks.design --peer PYTHON` with the Python of an environment that has the package
(Python 3.12): {"N", "D", "loss", "target", "budgets", "runs", "draws"} on standard input.
"""

from __future__ import annotations

import json
import sys
import time
import warnings


def main() -> None:
    """Fit, suggest, score, and say how long each took."""
    import polars as pl
    from simple_scaling_laws import fit
    from simple_scaling_laws.cost import cost_model
    from simple_scaling_laws.design import _candidates, isoflop_grid, score_design, suggest_runs

    warnings.simplefilter("ignore")
    given = json.load(sys.stdin)
    n = len(given["N"])
    frame = pl.DataFrame(
        {
            "training_run_id": [f"run_{k}" for k in range(n)],
            "train_set_id": [f"train_{k}" for k in range(n)],
            "test_set_id": ["test"] * n,
            "optimizer_seed": [0] * n,
            "model_size__n_params": given["N"],
            "dataset_size__n_tokens": given["D"],
            "test_loss__ce": given["loss"],
        }
    )
    cost = cost_model("power", k=6.0, a=1.0, b=1.0)
    begin = time.perf_counter()
    model = fit(frame, n_draws=given["draws"], seed=0)
    fitted = time.perf_counter() - begin
    begin = time.perf_counter()
    plan = suggest_runs(
        model, [given["target"]], cost, n=given["runs"], candidate_budgets=given["budgets"]
    )
    suggested = time.perf_counter() - begin
    known = _candidates(model, cost, given["budgets"], model.primary_target, points=31, spread=0.6)
    begin = time.perf_counter()
    score_design(
        isoflop_grid(given["budgets"], cost, centre=20.0),
        truths=[{"E": 1.8, "A": 0.9, "alpha": 0.35, "B": 1.0, "beta": 0.37}],
        reference=(1e8, 2e9),
        cost=cost,
        target_budgets=[given["target"]],
        run_sd=0.01,
        eval_sd=0.0,
        evaluations_per_run=1,
        replications=20,
        n_draws=200,
    )
    scored = time.perf_counter() - begin
    answer = {
        "N": plan["model_size__n_params"].to_list(),
        "D": plan["dataset_size__n_tokens"].to_list(),
        "left": plan["remaining_variance"].to_list(),
        "candidates": {"N": known[:, 1].tolist(), "D": known[:, 2].tolist()},
        "seconds": {"fit": fitted, "suggest": suggested, "score": scored},
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
