"""Tests that are dear: which of them come with the slow ones, which by night, which files first.

By the test, the ids of its rows; `*` is all of them. The nightly checks refuse a line that names
no row.
"""

FIRST = (
    *("test_benchmarks.py", "test_embedding.py", "test_gpu_script.py"),
    *("cli/test_contract.py", "engine/test_tall.py", "engine/test_implicit.py"),
    *("fitting/test_many.py", "sweep/test_cluster.py", "sweep/test_sweep.py"),
)
"""Files that take a worker long. Begun last, they would leave the other workers idle."""

SLOW: dict[str, tuple[str, ...]] = {
    "engine/test_dispatch.py::test_chunks_and_threads_change_no_bit": ("*",),
    "engine/test_dispatch.py::test_the_lead_goes_on_in_the_program_of_the_search": ("*",),
    "engine/test_dispatch.py::test_where_the_best_lane_has_arrived_none_goes_on": ("*",),
    "engine/test_dispatch.py::test_memory_narrows_the_slab_and_changes_no_bit": ("*",),
    "engine/test_dispatch.py::test_exhausted_memory_halves_the_slab": ("*",),
    "engine/test_dispatch.py::test_problems_on_an_axis_equal_one_solve_each": ("*",),
    "engine/test_dispatch.py::test_another_runtime_error_is_not_swallowed": ("*",),
    "engine/test_dispatch.py::test_a_massive_search_goes_over_the_thin_table_to_the_same_optimum": (
        "*",
    ),
    "engine/test_engine.py::test_statuses_tell_bounds_and_dead_terms": ("*",),
    "checks/test_formula.py::test_laws_of_the_catalogue_are_as_they_say": ("ImplicitMixture",),
    "cli/test_forecast_cli.py::test_a_person_reads_a_block": ("*",),
    "cli/test_report_cli.py::test_the_page_is_written_and_its_answer_printed": ("*",),
    "cli/test_report_cli.py::test_best_sizes_that_the_runs_leave_open_end_with_exit_code_1": ("*",),
    "cli/test_report_cli.py::test_a_report_of_many_fits_asks_for_one": ("*",),
    "data/test_wide_tables.py::test_no_name_takes_long": ("*",),
    "fitting/test_certificate.py::test_a_break_that_only_the_grid_tried_is_no_doubt": ("*",),
    "fitting/test_many.py::test_every_table_comes_to_its_own_fit_and_a_bad_one_ends_no_other": (
        "*",
    ),
    "forecast/test_doubts.py::"
    "test_a_run_that_leaves_the_law_is_doubted_and_its_interval_holds_now_and_the_end": ("*",),
    "forecast/test_forecast.py::test_a_run_may_end_beyond_int32": ("*",),
    "isoflops/test_approaches.py::test_approaches_agree_on_a_clean_table": ("*",),
    "isoflops/test_approaches.py::test_copies_of_rows_are_named_and_reject_no_law": ("*",),
    "sweep/test_cluster.py::test_a_sweep_on_threads_has_the_same_bytes": ("*",),
    "sweep/test_sweep.py::test_death_at_any_write_leaves_a_directory_that_goes_on": (
        "torn",
        "after",
    ),
}
"""Rows that compile many programs: `python -m pytest` goes without."""

DEAR_FIGURES = ("all", "design", "envelope", "influence", "inputs", "optima", "profiles", "valleys")
"""Those that fit, or draw, several times."""

NIGHT: dict[str, tuple[str, ...]] = {
    # By day each command answers as JSON and to a file, and every example is parsed.
    "cli/test_contract.py::test_examples_run": (
        "jaxscale report fit.json -o report.html",
        "jaxscale report fit.json --compute 1e24 --title 'Ladder of May' -o report.html --json",
        "jaxscale rank KaplanD runs.csv --law KaplanN --out rank.json --figure rank.png",
        "jaxscale rank Skaling stdlib_ladder --law Kaplan,PowerLaw:C --starts 64",
        "jaxscale compare runs.csv --law Chinchilla,Kaplan,PowerLaw:C --figure rollout.png",
        "jaxscale compare runs.csv --leave-out family --fix E=1.7 --json",
        "jaxscale specify fit.json --compute 3.8e25",
        "jaxscale specify fit.json --compute 3.8e25 --draws 0 --figure spec.png --json",
    ),
    # By day: one law of two scales under Huber's loss, one under the absolute, one of one scale.
    "engine/test_tall.py::test_other_laws_losses_and_precisions_come_to_the_optimum_of_all_runs": (
        "law0-options0",
        "law1-options1",
        "law2-options2",
        "law3-options3",
    ),
    "engine/test_implicit.py::test_first_derivatives_in_everything": (
        "kaplan",
        "piecewise",
        "pinned E",
    ),
    "engine/test_engine.py::test_results_do_not_depend_on_the_width": ("128",),
    "engine/test_dispatch.py::test_problems_on_an_axis_equal_one_solve_each": (
        "data sets",
        "space",
        "target",
        "weight",
    ),
    # By day every kind under Huber's loss, and the planted tables under both.
    "fitting/test_certificate.py::test_exact_data_of_every_kind_of_law_are_certified": (
        "power-huber",
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
    "forecast/test_forecast.py::test_a_compiled_forecast_of_a_fall_to_zero": ("*",),
    "cli/test_contract.py::test_out_writes_all_of_the_answer_and_prints_it": ("rank", "specify"),
    "designs/test_next_runs.py::"
    "test_the_predicted_error_is_the_spread_of_refits_of_simulated_losses": ("loss1", "loss2"),
    "sweep/test_sweep.py::test_after_a_warmup_a_fit_compiles_nothing": ("Kaplan",),
    "sweep/test_sweep.py::test_death_at_any_write_leaves_a_directory_that_goes_on": ("torn",),
    "test_embedding_slow.py::test_intervals_cover_and_probabilities_are_calibrated": ("0", "64"),
    # By day a law of one scale and one of every other kind.
    "laws/test_nist.py::test_both_starts_of_nist_and_random_ones_lead_to_the_certified_digits": (
        "Bennett5",
        "Gauss3",
        "Kirby2",
        "Lanczos1",
    ),
    "laws/test_law_fits.py::test_the_truth_is_recovered_without_noise": ("AdditiveMixture", "M4"),
    "laws/test_law_fits.py::"
    "test_the_truth_is_within_the_noise_and_the_fit_comes_back_from_its_file": (
        "AdditiveMixture",
        "M4",
    ),
    "checks/test_formula.py::test_laws_of_the_catalogue_are_as_they_say": ("ImplicitMixture",),
    "fitting/test_wide_fits.py::test_the_truth_is_recovered_within_its_errors": ("9",),
    # By day one surface of many optima, one nested law under each loss, one pooled fit.
    "fitting/test_searches.py::"
    "test_what_is_certified_of_a_law_with_hundreds_of_optima_is_the_lowest": (
        "0-1900.0-0.1",
        "0-1900.0-0.5",
        "0-1900.0-1.0",
        "0-1200.0-0.1",
        "2-1900.0-0.5",
        "1-1200.0-0.1",
        "2-1900.0-0.1",
    ),
    "fitting/test_nesting.py::test_the_host_finds_what_the_full_fit_does": (
        "absolute-huber (delta 0.001)",
        "absolute-square",
        "log-square",
    ),
    "fitting/test_families.py::"
    "test_a_pooled_family_whose_runs_are_all_left_out_leans_on_the_others": ("*",),
    # By day other tests of the same door.
    "cli/test_rank_cli.py::"
    "test_a_law_of_a_file_is_tried_in_one_command_and_its_ranking_can_be_checked": ("*",),
    "cli/test_outputs.py::test_an_answer_that_nobody_got_is_no_success": (
        "(sleep 1; jaxscale fit --help; echo $? >&2) | true-3",
        "jaxscale predict Chinchilla:hoffmann_2022 --N 1 --D 1 >&-; echo $? >&2-3",
        "jaxscale fit runs.csv --quiet -o new.json >/dev/null <&-; echo $? >&2-0",
    ),
    # By day every figure of a law of N and D, and those of others that cost little.
    "plotting/test_figure_contract.py::test_every_kind_of_law_is_drawn_or_refused_by_name": (
        *(f"{figure}-own inputs" for figure in DEAR_FIGURES),
        *(f"{figure}-one scale" for figure in DEAR_FIGURES),
    ),
    # By day float64, and both under `newton`.
    "optimizers/test_optimizer_contract.py::test_a_plain_optax_loop_reaches_the_optimum": (
        "lbfgs-quadratic-float32",
        "lbfgs-rosenbrock-float32",
    ),
    "optimizers/test_optimizer_contract.py::"
    "test_the_engine_reaches_the_optimum_and_says_converged_only_there": (
        "lbfgs-quadratic-float32",
        "lbfgs-rosenbrock-float32",
    ),
    "optimizers/test_optimizer_contract.py::"
    "test_a_plain_optax_loop_reaches_the_optimum_in_any_units_or_is_said_not_to": (
        "lbfgs-decay-float32",
        "lbfgs-rosenbrock-float32",
        "lbfgs-saturated-float32",
    ),
    "cli/test_forecast_cli.py::test_a_fall_to_zero_as_users_compile_it": ("*",),
    "cli/test_report_cli.py::test_a_report_of_many_fits_asks_for_one": ("*",),
    "report/test_report.py::"
    "test_laws_of_one_scale_and_of_other_inputs_and_tall_tables_have_a_page": ("*",),
    "decisions/test_mixing.py::"
    "test_a_run_far_outside_those_of_the_fit_is_said_on_the_command_line": ("*",),
    "test_doors.py::test_refits_over_two_devices_find_the_same": ("*",),
    "data/test_wide_tables.py::test_no_name_takes_long": ("*",),
    # By day a sweep that is killed twice, and dies at every write.
    "sweep/test_cluster.py::test_a_local_cluster_whose_workers_are_killed_twice_changes_nothing": (
        "*",
    ),
    "sweep/test_cluster.py::test_processes_of_its_own_that_are_killed_change_nothing": ("*",),
    "sweep/test_cluster.py::"
    "test_a_pool_of_somebody_else_that_breaks_says_so_and_the_sweep_goes_on": ("*",),
    "engine/test_engine.py::test_any_optax_transformation_runs_in_the_same_loop": ("lbfgs",),
    "engine/test_dispatch.py::test_memory_narrows_the_slab_and_changes_no_bit": ("*",),
    # By day the examples of the first hour: a decision, a law of one's own, a program of one's own;
    # a page of the documentation forecasts in a loop.
    "test_readme.py::test_examples_run": (
        "forecast_equinox",
        "forecast_nnx",
        "forecast_optax",
        "law_in_scan",
        "own_loss",
        "replicates",
        "speedup",
    ),
    "test_embedding_slow.py::test_shard_map_with_its_default_check": ("*",),
    "test_embedding_slow.py::test_two_devices_under_shard_map_equal_one": ("*",),
    "test_own_loss.py::test_comparison_takes_it_and_prepares_once_per_law": ("*",),
    "report/test_report.py::test_a_further_result_is_shown_with_its_table_and_its_figure": ("*",),
    "uncertainty/test_influence.py::test_leave_one_out_against_refits": (
        "square-1-0.99",
        "0.01-3-0.999",
    ),
    "uncertainty/test_allocations.py::test_draws_of_another_fit_are_refused": (
        "another law",
        "another loss",
    ),
    # By day other examples, questions and commands of the same kind.
    "test_public_docs.py::test_an_example_prints_what_its_docstring_shows": (
        "newton",
        "implicit.argmin",
        "implicit.condition",
        "engine.Solution",
        "engine.classify",
        "fit_many",
        "asymptote_profile",
        "Reduced",
    ),
    "uncertainty/test_posterior.py::test_few_draws_say_that_they_are_few": ("*",),
    "report/test_report.py::test_a_nested_law_that_is_rejected_is_among_the_doubts": ("*",),
    "report/test_report.py::test_the_same_fit_gives_the_same_page": ("*",),
    "uncertainty/test_influence.py::test_leave_one_out_on_the_digitized_runs": (
        "Huber(delta=0.001)",
    ),
    "uncertainty/test_influence.py::test_outliers_have_no_derivative_but_an_effect": ("*",),
    "uncertainty/test_influence.py::test_what_has_no_answer": ("negative",),
    "test_embedding_slow.py::test_an_eager_forecast_equals_a_compiled_one": ("*",),
    "specification/test_specify.py::test_the_host_answers_as_a_fit_would": ("square-Chinchilla",),
    "specification/test_specify.py::"
    "test_on_the_points_of_llama_3_choices_move_the_best_n_from_393_to_894_billion": ("*",),
    "specification/test_specify.py::test_minima_that_isoflop_does_not_trust_do_not_count": ("*",),
    "cli/test_contract.py::test_json_is_one_object_and_short": ("rank", "specify"),
    "test_coverage.py::test_a_cell_counts_what_its_intervals_cover": ("*",),
    "test_own_loss.py::test_influence_takes_it": ("*",),
    "uncertainty/test_methods.py::test_draws_are_finite_and_belong_to_their_seed": (
        "one-scale law-auto",
    ),
    "laws/test_nesting_laws.py::test_least_squares_of_the_log_on_public_tables": (
        "llama3_isoflop-0.000806035-0.00157767-params0",
    ),
    "sweep/test_cluster.py::test_a_sweep_on_threads_has_the_same_bytes": ("*",),
    "engine/test_dispatch.py::test_a_massive_search_goes_over_the_thin_table_to_the_same_optimum": (
        "*",
    ),
    "objective/test_objective.py::test_reduced_optimum_is_the_full_optimum_on_noisy_data": (
        "Huber-relative",
    ),
    "uncertainty/test_allocations.py::test_every_question_has_intervals": ("lifetime",),
    "plotting/test_bands.py::test_joint_figures_have_every_pair_with_labels": ("default",),
    "cli/test_forecast_cli.py::test_finished_runs_teach_what_is_usual": ("*",),
    "test_embedding.py::test_gradient_of_a_forecast_in_the_losses": ("*",),
    "engine/test_tall.py::test_a_tall_fit_is_a_fit_of_all_runs": ("0.01",),
    "comparison/test_comparison.py::test_a_fixed_value_is_nested_in_a_free_one": ("*",),
    "fitting/test_constraints.py::test_errors_weigh_the_runs": ("*",),
    "decisions/test_plans.py::test_a_limited_run_meets_its_condition_of_first_order": (
        "2000000000.0",
    ),
    "cli/test_rank_cli.py::test_a_proposed_law_without_a_usable_fit_exits_with_1": (
        "argv0-ZeroDivisionError",
    ),
    "test_benchmarks.py::test_every_method_of_epoch_runs_or_says_why_not": ("*",),
    "test_benchmarks.py::test_the_problem_agrees_with_what_the_fit_reports": ("*",),
    "test_benchmarks.py::test_bootstrap_refits_or_says_why_not": ("*",),
    "test_benchmarks.py::test_surfaces_agree_with_numpy_or_say_why_not": ("*",),
    "test_benchmarks.py::test_gold_charges_rivals_up_to_the_first_success": ("*",),
    "test_benchmarks.py::test_document_has_the_promised_keys": ("*",),
    "test_benchmarks.py::test_table_states_device_dtype_and_extrapolation": ("*",),
    "test_benchmarks.py::test_report_writes_its_files": ("*",),
    "sweep/test_cluster.py::"
    "test_the_command_computes_on_a_cluster_of_the_shell_and_ctrl_c_ends_it": ("*",),
    "test_embedding_slow.py::test_a_forecast_that_knows_the_schedule_is_nearer": ("*",),
    "engine/test_engine.py::test_statuses_tell_bounds_and_dead_terms": ("*",),
    "cli/test_report_cli.py::test_best_sizes_that_the_runs_leave_open_end_with_exit_code_1": ("*",),
    # Of what is around the package: training a ladder, measuring peers and GPUs, counting coverage.
    "test_ladder.py::test_the_whole_way_in_a_minute_and_again_after_a_kill": ("*",),
    "test_benchmarks.py::test_optional_peers_reach_the_optimum": ("*",),
    "test_benchmarks.py::test_scaling_sweeps_runs_starts_and_width": ("*",),
    "test_benchmarks.py::test_child_processes_measure_devices_and_memory": ("*",),
    "test_gpu_script.py::test_every_program_of_the_script_lowers_for_cuda": ("*",),
    "test_gpu_script.py::test_cold_runs_two_checkouts_in_turns": ("*",),
    "test_gpu_script.py::test_a_run_that_is_out_of_time_says_what_it_left_out": ("*",),
    "test_coverage.py::test_the_default_covers_on_simulated_tables": ("*",),
    # By day the law of two scales, one of signed values, and both precisions.
    "fitting/test_many.py::test_every_way_to_fit_comes_to_the_own_fits": (
        "a break",
        "mixed",
        "no starts",
        "signed",
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
"""Rows whose kind other rows show by day: `.ci/nightly` runs them, no one else."""
