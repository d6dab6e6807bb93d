"""`python -m jaxscale`: the command line."""

from jaxscale.cli import entry

if __name__ == "__main__":
    entry()
