"""One script for a machine with one accelerator, of a few minutes: `python -m benchmarks gpu`.

Correctness first, then what limits: every program is lowered and compiled in turn and side by side
with the others, and what is not measured when the time is over is named as left out. Every figure
is written at once, so that a run that is cut off leaves what it has.
"""
