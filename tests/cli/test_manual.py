"""The manual says of every option what its help says, in roff and in Markdown."""

import argparse
import re
import shutil
import subprocess

import pytest

from jaxscale.cli import manual
from jaxscale.cli.commands import COMMANDS, command_named
from jaxscale.cli.parser import main, parser

PAGES = parser().commands


def shown(sub):
    return [action for action in sub._actions if action.help != argparse.SUPPRESS]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_has_every_option_and_both_examples(name):
    page = manual.roff(name, PAGES).replace(r"\-", "-").replace(r"\(aq", "'")
    for action in shown(PAGES[name]):
        for option in set(action.option_strings) - {"-h", "--help"}:
            assert re.search(rf"^\\fB.*{option}\b", page, re.MULTILINE), option
    for line in command_named(name).EXAMPLES:
        assert line in page
    assert all(len(line) < 100 for line in page.splitlines() if line[:3] != r"\fB"), page


@pytest.mark.parametrize("name", ["", "fit", "completion", "design", "size"])
@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_mandoc_finds_nothing_wrong(name):
    lint = ["mandoc", "-Tlint", "-W", "warning"]
    done = subprocess.run(lint, input=manual.roff(name, PAGES), capture_output=True, text=True)
    said = [line for line in done.stdout.splitlines() if "missing date" not in line]
    assert not said


def test_the_page_in_markdown_has_every_command_and_option(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")  # which the page does not depend on
    assert main(["man", "--markdown"]) == 0
    page = capsys.readouterr().out
    assert page == manual.markdown(PAGES) + "\n"
    for name, part in zip(COMMANDS, page.split("\n## ")[1:], strict=True):
        assert part.startswith(f"{name}\n") and f"](#{name})" in page
        for action in shown(PAGES[name]):
            row = f"| `{manual.invocation(action)}"
            assert action.dest == "help" or row in part.replace("\\|", "|")
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3, 4}


@pytest.mark.parametrize(
    "text, default, expected",
    [
        ("random starts", 1024, ("random starts", "1024")),
        ("of what; default by AIC); or K; default as it has it, else 6", None,
         ("of what; default by AIC); or K", "as it has it, else 6")),
        ("wide; default its own; auto, by fit", None, ("wide; auto, by fit", "its own")),
        ("default the largest rate", None, ("", "the largest rate")),
        ("no default at all", None, ("no default at all", "")),
        ("11%% of it", None, ("11% of it", "")),
    ],
)  # fmt: skip
def test_a_default_is_taken_out_of_its_sentence(text, default, expected):
    sub = argparse.ArgumentParser()
    assert manual.meaning(sub.add_argument("--x", help=text, default=default)) == expected


@pytest.mark.parametrize(
    "words, said",
    [
        (dict(nargs="+", metavar="X"), "--x X ..."),
        (dict(nargs="?", metavar="X"), "--x [X]"),
        (dict(nargs=2, metavar=("A", "B")), "--x A B"),
        (dict(choices=["a", "b"]), "--x {a,b}"),
        (dict(action="store_true"), "--x"),
        ({}, "--x X"),
    ],
)
def test_how_an_option_is_given(words, said):
    assert manual.invocation(argparse.ArgumentParser().add_argument("--x", **words)) == said
