"""Numbers of options: as people write them, and as answers print them."""

import argparse
import math

import pytest

from jaxscale.cli import values
from jaxscale.cli.commands import COMMANDS
from jaxscale.cli.parser import main, parser
from jaxscale.data.cells import written
from jaxscale.data.expressions import keep_rows
from jaxscale.designs.asked import asked_for
from jaxscale.laws import Chinchilla
from jaxscale.text import count, quantity

WRITTEN = {
    "7B": 7e9,
    "7b": 7e9,
    "7G": 7e9,
    "13.7 B": 13.7e9,
    "1.4T": 1.4e12,
    "70e9": 70e9,
    "1.4e12": 1.4e12,
    "6.3e23": 6.3e23,
    "6.3E+23": 6.3e23,
    "300m": 300e6,
    "1.1M": 1.1e6,
    ".5B": 5e8,
    "50K": 50e3,
    "1e3M": 1e9,
    "10^9": 1e9,
    "3 x 10^20": 3e20,
    "110,678,115": 110678115.0,
    "1_000": 1000.0,
    "1.2亿": 1.2e8,
    "7%": 0.07,
    "-2": -2.0,
    "\u22122": -2.0,
}


@pytest.mark.parametrize("text", WRITTEN)
def test_a_number_is_read_as_it_is_written_to_the_last_bit(text):
    assert written(text) == values.number(text) == WRITTEN[text]
    assert values.pair(f"N={text}") == ("N", WRITTEN[text])
    assert values.limits(f"N={text}:{text}") == ("N", (WRITTEN[text], WRITTEN[text]))


NONE = ["", "B", "7X", "7 7", "7BB", "7KB", "1.2.3", "12,34", "0x10", "seven", "7B5", "±3", "~7B"]


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_number_is_a_sentence_with_examples(text):
    for kind, example in ((values.number, "7B or 1.4T"), (values.integer, "1M")):
        with pytest.raises(argparse.ArgumentTypeError, match="expected a (whole )?number") as error:
            kind(text)
        assert example in str(error.value)
    for kind in (values.pair, values.limits, values.step_count, values.width):
        with pytest.raises(argparse.ArgumentTypeError, match="expected"):
            kind(f"N={text}")


@pytest.mark.parametrize("text", ["1e22,1e23", "7B,70B", "1,2,x"])
def test_several_numbers_joined_by_commas_are_told_to_stand_side_by_side(text):
    with pytest.raises(
        argparse.ArgumentTypeError, match=f"side by side: '{text}'".replace(",", " ")
    ):
        values.number(text)


def test_a_unit_that_the_shell_has_split_off_is_told_how_to_be_joined(capsys):
    assert main(["predict", "Chinchilla:hoffmann_2022", "--N", "7", "B", "--D", "1T"]) == 2
    assert "write 7B, or '7 B' in quotes" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, value",
    [("1M", 10**6), ("1e6", 10**6), ("1.5K", 1500), ("512", 512), ("9" * 18, int("9" * 18))],
)
def test_a_count_may_have_a_unit_and_keeps_every_digit(text, value):
    assert values.integer(text) == value


@pytest.mark.parametrize("text", ["1.5", "0.1K5", "1e-3", "nan", "inf", "1e30", "1.0001K"])
def test_a_count_is_whole(text):
    with pytest.raises(argparse.ArgumentTypeError, match="whole number"):
        values.integer(text)


@pytest.mark.parametrize("value", [1.23e4, 9.99e5, 1e6, 1.37e10, 7.02e10, 1.4e12, 3.21e15, 6.3e23])
def test_what_answers_print_is_read_back(value):
    for text, digits in ((count(value), 3), (quantity(value), 4), (f"{value:.3g}", 3)):
        assert math.isclose(values.number(text), value, rel_tol=0.51 * 10 ** (1 - digits)), text


SIZED = [
    (name, action)
    for name, sub in parser().commands.items()
    for action in sub._actions
    if action.type in (values.number, values.integer, values.pair, values.limits)
]


def test_every_number_of_a_command_is_read_by_one_function():
    """No option has a reading of its own, so that none takes 7B where another does not."""
    allowed = {values.number, values.integer, values.pair, values.limits, values.width}
    allowed |= {values.names, values.step_count, None}
    own = {"--workers"}  # of processes, at least one
    for name in COMMANDS:
        for action in parser(name).commands[name]._actions:
            assert action.type in allowed or own & {*action.option_strings}, (name, action)
    named = {option for _, action in SIZED for option in action.option_strings or [action.dest]}
    assert named >= {
        *("--N", "--D", "--C", "--S", "--compute", "--budget", "--target-loss", "--fix", "--bound"),
        *("--starts", "--draws", "--lifetime-tokens", "--largest", "--at", "--scale", "--unique"),
    }


@pytest.mark.parametrize("asked", ["N* at 1.5e24", "N* at 1.5e12T", "N* at 1500000000000 T FLOPs"])
def test_a_design_is_asked_with_numbers_as_people_write_them(asked):
    law = Chinchilla.preset("hoffmann_2022")
    assert asked_for(asked, law).compute == 1.5e24
    place = asked_for("loss at N=7B D=1.4T", law)
    assert place.inputs == {"N": 7e9, "D": 1.4e12}


@pytest.mark.parametrize(
    "text, kept",
    [
        ("N < 7B", [True, False]),
        ("N <= 1.5e3M and N > 1M", [False, False]),
        ("a7B == 2", [False, True]),
        ("name == '7B'", [True, False]),
        ("N < 0b1", [False, False]),
        ("N == 2e9 or N == 8G", [True, True]),
    ],
)
def test_rows_are_kept_by_numbers_as_people_write_them(text, kept):
    table = {"N": [2e9, 8e9], "a7B": [1.0, 2.0], "name": ["7B", "x"]}
    assert keep_rows(text, table).tolist() == kept
