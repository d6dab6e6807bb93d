"""Three jobs as a user of each tool would write them; `python -m benchmarks.jobs` measures them."""
