"""The magic `%%sh` of the pages' kernels: a shell's output in one piece, errors in their place.

IPython's own passes it on in pieces that end anywhere, which MyST-NB puts on lines of their own.
`%%sh 1` is a cell whose commands are meant to end with code 1.
"""

import subprocess

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
    print(done.stdout, end="")
    if done.returncode != int(line or 0):
        raise SystemError(f"the commands ended with code {done.returncode}")
