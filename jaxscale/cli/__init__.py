"""The command line, one module per command."""

from jaxscale.cli.parser import entry, main

__all__ = ["entry", "main"]
