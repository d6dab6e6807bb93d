"""The version, for the package, its documents and its build."""

__version__ = "0.2.0.dev0"
