"""What a person sees first: the commands, the help of one, and what a terminal does to it."""

import argparse
import json
import os
import pty
import subprocess
import sys
import textwrap

import pytest

from jaxscale.cli import console
from jaxscale.cli.commands import COMMANDS
from jaxscale.cli.parser import main, parser
from jaxscale.cli.sections import ORDER


def said(capsys, *argv):
    try:
        code = main(list(argv))
    except SystemExit as stop:  # of --help
        code = stop.code
    return code, *capsys.readouterr()


@pytest.mark.parametrize("columns, lines", [(80, 25), (60, 38), (200, 25)])
def test_jaxscale_alone_shows_on_one_screen_what_it_can_do(capsys, monkeypatch, columns, lines):
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, err = said(capsys)
    assert (code, err) == (0, "") and len(out.splitlines()) <= lines
    assert max(map(len, out.splitlines())) <= columns
    assert all(name in out for name in COMMANDS)
    assert sum(line.startswith("  jaxscale ") for line in out.splitlines()) == 3


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("argv", [["--help"], ["help"], ["help", "size"], ["size", "-h"]], ids=str)
def test_help_fits_the_terminal_and_has_no_colour_in_a_pipe(capsys, monkeypatch, columns, argv):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    code, out, err = said(capsys, *argv)
    assert (code, err) == (0, "") and "\x1b" not in out
    examples = out[out.index("examples:") :].splitlines()[:3]  # to be copied: they stay lines
    assert all(len(line) < columns for line in out.splitlines() if line not in examples)


def test_the_list_of_commands_has_each_once_under_its_group(capsys):
    _, out, _ = said(capsys, "--help")
    lines = out.splitlines()
    for name, row in COMMANDS.items():
        at = [k for k, line in enumerate(lines) if line.startswith(f"  {name} ")]
        assert len(at) == 1 and lines.index(f"{row.group}:") < at[0]


@pytest.mark.parametrize(
    "argv, hint",
    [
        (["alocate"], "no command 'alocate'; did you mean allocate?"),
        (["fitt", "runs.csv", "--law", "x"], "no command 'fitt'; did you mean fit?"),
        (["help", "boostrap"], "did you mean bootstrap?"),
        (["qqq"], "no command 'qqq'; see jaxscale --help"),
        (
            ["fit", "a.csv", "--strats", "3"],
            "jaxscale fit has no --strats 3; did you mean --starts?",
        ),
        (["size", "7B", "--vocabulary=9"], "did you mean --vocab?"),
        (
            ["predict", "fit.json", "--N", "10B", "--E", "127"],
            "has no --E 127; an input of another name is given with --at E=127; see",
        ),
        (
            ["bootstrap", "fit.json", "--hidden=4096", "--vocab", "32K", "64K"],
            "given with --at hidden=4096 --at vocab=32K --at vocab=64K; see",
        ),
        (["influence", "fit.json", "--top_k", "-2"], "is given with --at top_k=-2; see"),
        (["predict", "fit.json", "--lw", "a.py:B"], "has no --lw a.py:B; did you mean --law? see"),
        (["predict", "fit.json", "--n", "7B"], "did you mean --N? an input of another name is"),
        (["bootstrap", "fit.json", "--levl", "0.8"], "did you mean --level? an input of another"),
        (["fit", "runs.csv", "--E", "127"], "jaxscale fit has no --E 127; see"),
        (["--json", "size", "7B"], "has no --json; options go after the command"),
    ],
    ids=str,
)
def test_a_word_that_is_not_known_is_told_from_the_one_that_was_meant(capsys, argv, hint):
    code, _, err = said(capsys, *argv)
    assert code == 2 and hint in err


@pytest.mark.parametrize("name", COMMANDS)
def test_a_help_has_what_is_its_own_first_and_what_all_share_last(name):
    sub = parser(name).commands[name]
    titles = [group.title for group in sub._action_groups if group._group_actions]
    shared = [title for title in titles if title in ORDER]
    assert titles[-len(shared) :] == shared == sorted(shared, key=ORDER.index)
    assert sub.format_usage().count("\n") <= 2


@pytest.mark.parametrize(
    "argv, kind",
    [
        (["none", "--json"], "usage"),
        (["fit", "nowhere.csv", "--json"], "data"),
        (["size", "--json", "x"], "usage"),
        (["laws", "--json", "Nothing"], "usage"),
    ],
    ids=str,
)
def test_an_error_is_json_where_json_is_asked_for(capsys, argv, kind):
    code, out, err = said(capsys, *argv)
    error = json.loads(out)["error"]
    assert code == error["exit_code"] == 2 and error["kind"] == kind
    assert err == f"jaxscale: error: {error['message']}\n"


IMPORTS = "import sys; from jaxscale.cli import main; code = main({argv}); " + (
    "assert not {{'jax', 'numpy', 'matplotlib'}} & {{*sys.modules}}"
)


@pytest.mark.parametrize("argv", [[], ["none"]], ids=str)
def test_what_needs_no_jax_imports_none(argv):
    subprocess.run([sys.executable, "-c", IMPORTS.format(argv=argv)], check=True, stderr=-3)


def test_the_version_is_said_without_jax():
    code = textwrap.dedent("""
        import sys
        from jaxscale.cli import main
        try:
            main(["--version"])
        finally:
            assert not {"jax", "numpy"} & {*sys.modules}
    """)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("jaxscale ") and done.stdout.count("\n") == 1


@pytest.mark.parametrize("module", ["jaxscale.cli.parser", "argparse", "jax", "numpy", "tqdm"])
def test_ctrl_c_while_something_is_imported_is_one_line(module):
    """The interrupt comes as the import begins."""
    code = textwrap.dedent(f"""
        import os, signal, sys
        class Interrupts:
            def find_spec(self, name, path=None, target=None):
                if name == {module!r}:
                    os.kill(os.getpid(), signal.SIGINT)
        from jaxscale.cli import entry
        for name in [name for name in sys.modules if name == {module!r}]:
            del sys.modules[name]
        sys.meta_path.insert(0, Interrupts())
        sys.argv = ["jaxscale", "predict", "Chinchilla:hoffmann_2022", "--N", "1e9"]
        entry()
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (130, "jaxscale: interrupted"), done.stderr


class Terminal:
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def __init__(self, is_one=True):
        self.isatty = lambda: is_one


FOLDED = [
    ("short", "short"),
    ("a  bb  the words of a last column that is too long", "a  bb  the words of a last\n       "
     "column that is too\n       long"),
    ("words that are none of a table go on", "words that are none of a\n  table go on"),
    ("    set in by four and then too long", "    set in by four and\n    then too long"),
    ("x" * 40, "x" * 40),
    ("one\n\ntwo", "one\n\ntwo"),
]  # fmt: skip


@pytest.mark.parametrize("text, shown", FOLDED)
def test_a_terminal_breaks_lines_between_words_and_a_pipe_breaks_none(monkeypatch, text, shown):
    monkeypatch.setenv("COLUMNS", "26")
    assert console.folded(text, Terminal()) == shown
    assert console.folded(text, Terminal(False)) == text


def test_a_terminal_gets_whole_words(monkeypatch):
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as stream:
        monkeypatch.setenv("COLUMNS", "40")
        monkeypatch.setattr(sys, "stdout", stream)
        console.show("note  a sentence that is longer than forty columns, in a table")
    shown = os.read(leader, 1000).decode()
    os.close(leader)
    assert [len(line) <= 40 for line in shown.splitlines()] == [True, True]
    assert shown.splitlines()[1].startswith("      ")


def test_colours_of_a_help_pass_and_other_controls_do_not(capsys):
    console.show("\x1b[1;34musage:\x1b[0m \x1b[2J\x07 fit", styled=True)
    assert capsys.readouterr().out == "\x1b[1;34musage:\x1b[0m \\x1b[2J\\x07 fit\n"


def test_a_file_gets_no_bar(monkeypatch, tmp_path):
    from jaxscale.cli.outputs import with_progress

    with open(tmp_path / "log", "w+") as log:
        monkeypatch.setattr(sys, "stderr", log)
        seen = with_progress(argparse.Namespace(quiet=False), lambda progress: progress)
        assert seen is None and log.tell() == 0
