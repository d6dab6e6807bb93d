"""Laws compared on one table: what extrapolates, what the likelihood prefers, what is stable."""
