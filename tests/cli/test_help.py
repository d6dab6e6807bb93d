"""What help says."""

import re

import pytest

from jaxscale.cli.parser import parser


@pytest.mark.parametrize("command", ["rank", "mixture", "fit", "allocate"])
def test_help_says_a_default_once(command, capsys):
    with pytest.raises(SystemExit):
        parser().parse_args([command, "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "default" in said and not re.search(r"; default [^;-]{1,12}; default", said)
