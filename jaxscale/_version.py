"""The version, for the package, its documents and its build."""

__version__ = "0.1.0"
