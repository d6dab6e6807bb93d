"""From a raw export to a decision, with simple-scaling-laws."""

import sys

import polars as pl
from simple_scaling_laws import cost_model, fit

table = pl.read_csv(sys.argv[1], null_values="nan").filter(
    (pl.col("state") == "finished") & pl.col("eval/loss").is_not_null()
)
model = fit(
    table.rename(
        {
            "name": "training_run_id",
            "params": "model_size__N",
            "tokens": "dataset_size__D",
            "eval/loss": "test_loss__loss",
        }
    )
)
print(model.summary())
cost = cost_model("power", k=6, a=1, b=1)
print(model.optimal_allocation([1e23], cost=cost, quantiles=[0.05, 0.5, 0.95]).to_dicts())
