"""What dear tests need: rows that are left to the night, and files that are begun first."""

FIRST = (
    *("test_ladder.py", "test_benchmarks.py", "test_embedding.py", "test_gpu_script.py"),
    *("cli/test_contract.py", "engine/test_tall.py", "engine/test_implicit.py"),
    *("fitting/test_many.py", "sweep/test_cluster.py", "sweep/test_sweep.py"),
)
"""Files that take a worker long. Begun last, they would leave the other workers idle."""
ROWS: dict[str, tuple[str, ...]] = {
    # By day each command answers as JSON and to a file, and every example is parsed.
    "cli/test_contract.py::test_examples_run": (
        "jaxscale report fit.json -o report.html",
        "jaxscale report fit.json --compute 1e24 --title 'Ladder of May' -o report.html --json",
        "jaxscale rank KaplanD runs.csv --law KaplanN --out rank.json --figure rank.png",
        "jaxscale rank Skaling stdlib_ladder --law Kaplan,PowerLaw:C --starts 64",
        "jaxscale compare runs.csv --law Chinchilla,Kaplan,PowerLaw:C --figure rollout.png",
        "jaxscale compare runs.csv --leave-out family --fix E=1.7 --json",
        "jaxscale specify fit.json --compute 3.8e25",
    ),
    # By day: one law of two scales under Huber's loss, one under the absolute, one of one scale.
    "engine/test_tall.py::test_other_laws_losses_and_precisions_come_to_the_optimum_of_all_runs": (
        "law1-options1",
        "law3-options3",
    ),
    "engine/test_implicit.py::test_first_derivatives_in_everything": ("kaplan", "pinned E"),
    "engine/test_engine.py::test_results_do_not_depend_on_the_width": ("128",),
    "engine/test_dispatch.py::test_problems_on_an_axis_equal_one_solve_each": ("target",),
    # By day every kind under Huber's loss, and the planted tables under both.
    "fitting/test_certificate.py::test_exact_data_of_every_kind_of_law_are_certified": (
        "power-square",
        "score-square",
        "pure-square",
        "log-square",
        "henighan-square",
        "kaplan-square",
    ),
    "fitting/test_fit.py::test_other_losses_and_residuals_find_a_minimum": (
        "huber-absolute",
        "square-relative",
    ),
    "fitting/test_exponent_grid.py::"
    "test_robust_surface_against_hundreds_of_reweightings_per_cell": ("relative", "absolute"),
    "forecast/test_forecast.py::test_a_compiled_forecast_of_a_fall_to_zero": (
        "float32-optax WSD",
        "float64-optax linear",
    ),
    # By day each law, and each residual, once.
    "laws/test_declarations.py::test_a_law_of_the_logarithm_fits_the_loss": (
        "log-LogOfSum",
        "log-LogLog",
        "relative-Breakdown",
        "relative-LogLog",
        "absolute-Breakdown",
        "absolute-LogOfSum",
    ),
}
"""Rows whose kind other rows show by day: `.ci/nightly` runs them, no one else.

By the test, the ids of its rows; `*` is all of them. A line that names no row fails there.
"""
