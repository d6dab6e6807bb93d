"""`python -m jaxscale`: the command line."""

from __future__ import annotations

from jaxscale.cli import entry

if __name__ == "__main__":
    entry()
