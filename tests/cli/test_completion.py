"""What a shell completes, tried in the shells themselves."""

import shutil
import subprocess

import pytest

from jaxscale.cli.parser import main

pytest.importorskip("shtab")

CASES = [
    ("allo", ["allocate"]),
    ("fit --resid", ["--residual"]),
    ("fit runs.csv --residual lo", ["log", "logit"]),
    ("fit ru", ["runs.csv"]),
    ("fit runs.csv --law Chin", ["Chinchilla", "ChinchillaNDC"]),
    ("fit runs.csv --loss st", ["student"]),
    ("fit runs.csv --out fit", ["fit.json"]),
    ("datasets std", ["stdlib_ladder"]),
    ("laws KaplanS", ["KaplanSteps"]),
    ("plot fit.json --kind s", ["starts", "surface"]),
    ("completion z", ["zsh"]),
    ("man ver", ["verify"]),
]
BASH = """
source {script}
COMP_WORDS=(jaxscale {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()
_jaxscale_joined 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shells")
    for name in ("runs.csv", "fit.json"):
        (folder / name).touch()
    from jaxscale.cli.completion import SHELLS, completion

    for shell in SHELLS:
        (folder / shell).write_text(completion(shell) + "\n")
    return folder


def completed(shell, code, folder):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-c", code], cwd=folder, capture_output=True, text=True)
    assert not done.stderr
    return sorted({line.split("\t")[0] for line in done.stdout.splitlines()})


@pytest.mark.parametrize("words, found", CASES)
def test_bash_completes(scripts, words, found):
    assert completed("bash", BASH.format(script=scripts / "bash", words=words), scripts) == found


@pytest.mark.parametrize("words", ["predict Chinchilla : hoff", "predict Chinchilla:hoff"])
def test_bash_completes_a_preset_behind_the_colon_at_which_it_breaks_words(scripts, words):
    code = BASH.format(script=scripts / "bash", words=words)
    assert completed("bash", code, scripts) == ["hoffmann_2022"]


@pytest.mark.parametrize(
    "words, found", [*CASES, ("predict Chinchilla:hoff", ["Chinchilla:hoffmann_2022"])]
)
def test_fish_completes(scripts, words, found):
    code = f"source {scripts / 'fish'}; complete -C 'jaxscale {words}'"
    assert completed("fish", code, scripts) == found


def test_zsh_reads_its_script(scripts):
    text = (scripts / "zsh").read_text()
    assert text.startswith("#compdef jaxscale\n") and "_jaxscale_fit_file" in text
    assert completed("zsh", f"zsh -n {scripts / 'zsh'}", scripts) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed(capsys, shell):
    assert main(["completion", shell]) == 0
    assert "jaxscale" in capsys.readouterr().out
