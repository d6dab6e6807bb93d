"""The command `rank`: what a person or an agent that proposes a law sees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import jaxscale
from jaxscale.cli.parser import main
from jaxscale.ranking import rank as ranking

LAW = '''
from jaxscale import Law, Scalar, coefficient, exponent, offset, power


class Mine(Law):
    """L(N) = E + A N^-alpha."""

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("coefficient", per=dict(N="alpha"))
    alpha: Scalar = exponent("exponent")

    def __call__(self, N):
        return BODY
'''
BODY = "self.E + self.A * power(N, -self.alpha)"
SIZES = [10 ** (6 + k / 4) for k in range(16)]
TABLE = "\n".join(
    ["N,loss", *(f"{n},{2 + 100 * n**-0.3 * (1 + 0.01 * (k % 3))}" for k, n in enumerate(SIZES))]
)
FILES = {
    "mylaws.py": LAW.replace("BODY", BODY),
    "raises.py": LAW.replace("BODY", "1 / 0"),
    "inputs.py": LAW.replace("BODY", BODY).replace("N)", "W)").replace("(N, ", "(W, "),
    "prints.py": "print('hello')\n" + LAW.replace("BODY", BODY),
    "notlaw.py": "class Mine: pass\n",
    "syntax.py": "class Mine(\n",
    "exits.py": "raise SystemExit(0)\n",
    "one.csv": TABLE,
    "nosize.csv": "x,loss\n1,2\n3,4\n5,6\n",
    "noloss.csv": "N,x\n1,2\n3,4\n5,6\n",
    "negative.csv": TABLE.replace(",2.", ",-2."),
    "fit.json": '{"schema_version": 1, "law": "Chinchilla"}',
}
FILES["inputs.py"] = FILES["inputs.py"].replace('per=dict(N="alpha")', 'per=dict(W="alpha")')


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JAXSCALE_DATA", raising=False)
    for name, text in FILES.items():
        Path(name).write_text(text)
    return tmp_path


def here(seconds, function, argument):
    """Stands in for a process of its own."""
    return function(argument)


def ran(capsys, *argv):
    code = main(["rank", *argv, "--quiet"])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    "argv, said",
    [
        (("mylaws.py", "one.csv"), "say which class of it, mylaws.py:CLASS"),
        (("missing.py:Mine", "one.csv"), "missing.py: there is no such file"),
        (("mylaws.py:Yours", "one.csv"), "'Yours'; it has 'Mine'"),
        (("notlaw.py:Mine", "one.csv"), "defines no jaxscale.Law 'Mine'"),
        (("syntax.py:Mine", "one.csv"), "cannot load syntax.py: line 1: SyntaxError"),
        (("exits.py:Mine", "one.csv"), "cannot load exits.py: line 1: SystemExit"),
        (("mylaws.py:Mine:C", "one.csv"), "'C' after the colon does not apply"),
        (("mylaws.py:Mine", "mylaws.py:Mine", "one.csv"), "mylaws.py:Mine is given twice"),
        (("KaplanN", "kaplann", "one.csv"), "KaplanN is given twice"),
        (("KaplanN", "one.csv", "--law", "PowerLaw:N,PowerLaw:N"), "PowerLaw:N is given twice"),
        (("KaplanN", "one.csv", "--law", ","), "--law names no law"),
        (("KaplanN", "one.csv", "one.csv"), "the table one.csv is named twice"),
        (("KaplanN", "stdlib_lader"), "did you mean 'stdlib_ladder'"),
        (("KaplanN", "none.csv"), "none.csv"),
        (("KaplanN", "nosize.csv"), "along none of C, N, D, S"),
        (("KaplanN", "noloss.csv"), "loss"),
        (("KaplanN", "negative.csv"), "every loss must be positive"),
        (("KaplanN", "one.csv", "--by", "steps"), "no column 'steps'"),
        (("KaplanN", "one.csv", "--column", "Q=N"), "nothing uses a column called 'Q'"),
        (("GoldLikelihood", "one.csv"), "GoldLikelihood applies to no trial: one.csv"),
        (("KaplanD", "one.csv", "--by", "N"), "KaplanD applies to no trial: one.csv"),
        (("inputs.py:Mine", "one.csv"), "applies to no trial: one.csv, rows 2 to 17: no column"),
        (("KaplanN", "one.csv", "--again"), "--again goes with --check"),
        (("KaplanN", "one.csv", "--figure", "a.gif"), "a figure file ends in one of"),
        (("--check", "one.csv"), "not a ranking (it is no JSON"),
        (("--check", "fit.json"), "fit.json: not a ranking: kind"),
        (("--check", "none.json"), "none.json"),
    ],
)
def test_what_cannot_be_ranked_is_one_sentence(capsys, folder, monkeypatch, argv, said):
    monkeypatch.setattr(ranking, "within", here)
    code, out, err = ran(capsys, *argv)
    assert code == 2 and not out and said in err and err.count("\n") == 1


@pytest.mark.parametrize("argv, said", [(("raises.py:Mine", "one.csv"), "ZeroDivisionError")])
@pytest.mark.slow
def test_a_proposed_law_without_a_usable_fit_exits_with_1(capsys, folder, monkeypatch, argv, said):
    monkeypatch.setattr(ranking, "within", here)
    code, out, _ = ran(capsys, *argv, "--law", "KaplanN", "--starts", "8")
    assert code == 1 and said in out and "nan" not in out


@pytest.mark.slow
def test_a_law_of_a_file_is_tried_in_one_command_and_its_ranking_can_be_checked(capsys, folder):
    given = ("prints.py:Mine", "one.csv", "--law", "KaplanN", "--starts", "8")
    code, out, _ = ran(capsys, *given, "--json", "--out", "a.json", "--figure", "a.png")
    assert code == 0 and out.count("\n") == 1 and Path("a.png").stat().st_size > 5000
    found = json.loads(out)
    whole = json.loads(Path("a.json").read_text())
    assert "results" not in found and found["digest"] == whole["digest"] and found["trusted"]
    laws = {law["law"]: law for law in found["laws"]}
    # Mine is the power law under another name: which of the two stands first is rounding.
    assert {*laws} == {"prints.py:Mine", "PowerLaw", "KaplanN"}
    mine = laws["prints.py:Mine"]
    assert mine["proposed"] and mine["usable"] and len(mine["sha256"]) == 64
    assert mine["rank"] <= 2 and abs(mine["relative_error"] - 1) < 1e-3
    assert laws["KaplanN"]["rank"] == 3 and laws["KaplanN"]["relative_error"] > 2
    assert len(whole["results"]) == 3 and whole["trials"][0]["predicted"] == 5
    code, out, _ = ran(capsys, *given, "--out", "b.json")
    assert code == 0 and "place" in out
    again = json.loads(Path("b.json").read_text())
    assert {**whole, "seconds": 0} == {**again, "seconds": 0}
    code, out, _ = ran(capsys, "--check", "a.json", "prints.py:Mine", "one.csv", "--again")
    assert code == 0 and "all 3 are found again" in out and "the ranking holds" in out
    code, out, _ = ran(capsys, "--check", "a.json", "mylaws.py:Mine", "one.csv")
    assert code == 1 and "law prints.py:Mine: not given" in out
    Path("one.csv").write_text(TABLE.replace("1000000.0,", "1000001.0,"))
    code, out, _ = ran(capsys, "--check", "a.json", "prints.py:Mine", "one.csv", "--json")
    assert code == 1 and not json.loads(out)["holds"]


@pytest.mark.slow
def test_a_law_that_never_ends_is_ended_and_the_others_are_ranked(capsys, folder):
    Path("mylaws.py").write_text("while True:\n    pass\n")
    code, out, _ = ran(
        capsys, "mylaws.py:Mine", "one.csv", "--law", "KaplanN", "--starts", "8", "--limit", "3"
    )
    assert code == 1 and "it took longer than 3 s and was ended" in out and "KaplanN" in out


def test_the_shipped_table_is_at_hand_and_public_ones_where_there_is_a_copy(folder):
    from jaxscale.ranking.tables import tables_at_hand

    assert [*tables_at_hand()] == ["stdlib_ladder"] == jaxscale.datasets.at_hand()
