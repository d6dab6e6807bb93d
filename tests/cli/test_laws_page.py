"""The page of the catalogue is what the catalogue says."""

from pathlib import Path

from jaxscale import CATALOGUE, cli

PAGE = Path(__file__).parents[2] / "docs" / "laws.md"


def test_the_page_of_the_catalogue_is_as_printed(capsys):
    assert cli.main(["laws", "--markdown"]) == 0
    printed = capsys.readouterr().out
    assert PAGE.read_text() == printed, "jaxscale laws --markdown > docs/laws.md"
    assert all(f"## {name}\n" in printed for name in CATALOGUE)
