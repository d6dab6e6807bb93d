"""The magic `%%sh` of the pages' kernels: a shell's output in one piece, errors in their place.

IPython's own passes it on in pieces that end anywhere, which MyST-NB puts on lines of their own.
`%%sh 1` is a cell whose commands are meant to end with code 1. A line is broken where it would run
out of the page, and what a progress bar wrote over is left out, as at a terminal.
"""

import os
import re
import subprocess
import textwrap

from IPython.core.magic import register_cell_magic


@register_cell_magic
def sh(line: str, cell: str) -> None:
    """Runs the cell by bash; fails unless it ends with the code that the line names, or 0."""
    done = subprocess.run(
        ["bash", "-c", cell],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    width = int(os.environ.get("COLUMNS", 96))
    for text in re.sub(r"[^\n]*\r", "", done.stdout).splitlines():
        print(
            *textwrap.wrap(text, width, break_long_words=False) if len(text) > width else [text],
            sep="\n",
        )
    if done.returncode != int(line or 0):
        raise SystemError(f"the commands ended with code {done.returncode}")
