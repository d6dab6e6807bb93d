"""A fit's file is read as a claim: whatever is damaged is refused in one sentence with its name."""

import copy
import dataclasses
import json
import math
import os

import jax.numpy as jnp
import numpy as np
import pytest

import jaxscale
from jaxscale._numerics.precision import scope
from jaxscale.cli.parser import main
from jaxscale.fitting.certificate import Certificate
from jaxscale.fitting.saved_certificate import LATER
from jaxscale.fitting.statistics import statistics
from jaxscale.objective.residuals import residual_named

HUGE = 10**400
DELETED = object()


@pytest.fixture(scope="session")
def document(fitted):
    return json.loads(fitted.to_json())


def damaged(document, name, value):
    """The document with one field set, e.g. `data.loss.3`; or changed by a function of it."""
    document = copy.deepcopy(document)
    *parents, last = [int(key) if key.isdigit() else key for key in name.split(".")]
    place = document
    for key in parents:
        place = place[key]
    if value is DELETED:
        del place[last]
    else:
        place[last] = value(place[last]) if callable(value) else value
    return document


def refusal(path, document, **options):
    """The sentence with which a document is refused."""
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(jaxscale.DataError) as caught:
        jaxscale.load(path, **options)
    text = str(caught.value)
    assert text.startswith(str(path)) and "\n" not in text and len(text) < 400
    return text[len(str(path)) :]


def deep(value, levels=100):
    for _ in range(levels):
        value = [value]
    return value


OBJECTS = (
    "objective", "statistics", "intervals", "certificate", "certificate.statuses", "data",
    "data.values", "data.names", "starts", "seconds", "settings", "params",
)  # fmt: skip
LISTS = (
    "certificate.basins", "certificate.at_bound", "certificate.degenerate", "certificate.reasons",
    "data.columns", "data.dropped", "data.suspects", "data.values.N", "data.loss", "data.rows",
    "starts.values", "starts.status", "warnings", "settings.fixed",
)  # fmt: skip
TEXTS = (
    "law", "objective.loss", "objective.residual", "certificate.status", "data.source",
    "data.sha256", "settings.precision", "settings.optimizer", "certificate.basins.0.status",
    "data.columns.0",
)  # fmt: skip
NUMBERS = (
    "schema_version", "params.E", "params.alpha", "objective.value", "objective.delta",
    "objective.n", "statistics.r2", "statistics.rmse_log", "certificate.starts",
    "certificate.share_at_best", "certificate.grad_norm", "certificate.condition",
    "certificate.inside_delta", "certificate.median_steps", "certificate.basins.0.value",
    "certificate.basins.0.count", "certificate.statuses.converged", "data.n", "data.values.N.0",
    "data.values.D.59", "data.loss.3", "data.rows.0", "starts.values.0", "starts.status.1023",
    "seconds.total", "settings.max_steps",
)  # fmt: skip
WRONG_KIND = [
    *((name, value) for name in OBJECTS for value in (DELETED, None, "text", [], 1, deep(1))),
    *((name, value) for name in LISTS for value in (DELETED, None, "text", {}, 1, [None])),
    *((name, value) for name in TEXTS for value in (None, [], {}, 1, True)),
    *((name, value) for name in NUMBERS for value in ("text", "1", [], {}, True, HUGE, -HUGE)),
    *((name, value) for name in NUMBERS for value in (math.nan, math.inf, 1e400)),
]


@pytest.mark.parametrize("group", ["OBJECTS", "LISTS", "TEXTS", "NUMBERS"])
def test_a_field_of_another_kind_is_named(tmp_path, document, group):
    rows = [(name, value) for name, value in WRONG_KIND if name in globals()[group]]
    for name, value in rows:
        said = refusal(tmp_path / "fit.json", damaged(document, name, value))
        # A whole part that is gone or no object is named by itself or by what is read of it first.
        assert name.split(".")[0] in said or "not a fit result" in said, (name, value)
        if group in ("TEXTS", "NUMBERS"):
            parts = [f"[{key}]" if key.isdigit() else f".{key}" for key in name.split(".")]
            assert f": {''.join(parts)[1:]}: expected " in said, (name, value)
    assert len(rows) > 40


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("schema_version", DELETED, "schema_version is missing"),
        ("schema_version", "x", "schema_version: expected a whole number"),
        ("schema_version", 2, "schema_version: expected 1, the one that this version"),
        ("law", DELETED, "law is missing"),
        ("law", ["Chinchilla"], "law: expected a text, got ['Chinchilla']"),
        ("law", "Nobody", "fitted with the law 'Nobody'; it is not of the catalogue"),
        ("law", "KaplanN", "params.E is unknown; there are A, alpha_N"),
        ("params", lambda p: {**p, "Q": 1.0}, "params.Q is unknown; there are E, A, B, alpha"),
        ("params.beta", DELETED, "params.beta is missing"),
        ("params.E", math.nan, "params.E: expected a finite number, got nan"),
        ("params.E", None, "params.E: expected a finite number, got null"),
        ("params.A", -5.0, "params.A: expected a number > 0, got -5"),
        ("params.B", 0, "params.B: expected a number > 0, got 0"),
        ("params.alpha", -0.37, "params.alpha: expected a number in its bounds, 0 to 5"),
        ("params.beta", 5.5, "params.beta: expected a number in its bounds, 0 to 5"),
        ("params.E", lambda x: 2 * x, "objective.value: the file says"),
        ("params.A", lambda x: 1.001 * x, "objective.value: the file says"),
        ("params.alpha", lambda x: x + 1e-4, "objective.value: the file says"),
        ("params.beta", lambda x: x / 2, "objective.value: the file says"),
        ("objective.value", lambda x: 1.01 * x, "objective.value: the file says"),
        ("objective.value", 0, "objective.value: the file says"),
        ("objective.value", None, "objective.value: expected a finite number, got null"),
        ("objective.loss", "square", "objective.delta: expected null, since the loss square"),
        ("objective.loss", "no name", "objective.loss: expected the name of a loss"),
        ("objective.delta", None, "objective.delta: expected a finite number, got null"),
        ("objective.delta", -1e-3, "objective.delta: expected a number > 0"),
        ("objective.delta", 2e-3, "objective.value: the file says"),
        ("objective.residual", "cubic", "objective.residual: expected one of log, relative"),
        ("objective.residual", "relative", "objective.value: the file says"),
        ("objective.n", 61, "objective.n: expected 60, the number of values in data.loss"),
        ("statistics.r2", 0.5, "statistics.r2: expected 0."),
        ("statistics.rmse", lambda x: 2 * x, "statistics.rmse: expected 0."),
        ("statistics.r2_log", None, "statistics.r2_log: expected 0.9"),
        ("statistics", {"r3": 1.0}, "statistics.r3 is unknown"),
        ("certificate.status", "perfect", "certificate.status: expected one of converged, "),
        ("certificate.status", "CONVERGED", "certificate.status: expected one of converged, "),
        ("certificate.starts", 1023, "starts.values: expected 1023 values, got 1024"),
        ("certificate.share_at_best", 1.5, "certificate.share_at_best: expected a share"),
        ("certificate.share_at_best", -0.1, "certificate.share_at_best: expected a number >= 0"),
        ("certificate.statuses", {"converged": 3}, "certificate.statuses: expected the counts"),
        ("certificate.statuses", {"done": 1024}, "certificate.statuses.done is unknown"),
        ("certificate.at_bound", ["Q"], "certificate.at_bound[0]: expected one of E, A, B"),
        ("certificate.degenerate", ["Q"], "certificate.degenerate[0]: expected one of E, A, B"),
        ("certificate.condition", -1, "certificate.condition: expected a number >= 0"),
        ("certificate.inside_delta", 61, "inside_delta: expected a whole number >= 0 and <= 60"),
        ("certificate.basins", [], "certificate.basins: expected the lowest of starts.values"),
        ("certificate.basins.0.value", 1.0, "basins: expected the lowest of starts.values"),
        ("certificate.basins.0.count", 0, "basins[0].count: expected a whole number >= 1"),
        ("certificate.share_at_best", 1e-4, "certificate.trusted: expected false, as the rest"),
        ("certificate.condition", 1e15, "certificate.trusted: expected false, as the rest"),
        ("certificate.status", "stalled", "certificate.trusted: expected false, as the rest"),
        ("certificate.trusted", False, "certificate.trusted: expected true, as the rest"),
        ("certificate.luck", 1, "certificate.luck is unknown"),
        ("data.n", 59, "data.n: expected 60, the number of values in data.loss"),
        ("data.columns", ["N"], "data.columns: expected the inputs of Chinchilla, N, D"),
        ("data.values.N", lambda x: x[:-1], "data.values.N: expected 60 values, got 59"),
        ("data.values.N", DELETED, "data.values.N is missing"),
        ("data.values.N.7", -1e6, "data.values.N[7]: expected a positive number, got -1000000"),
        ("data.values.D.7", 0, "data.values.D[7]: expected a positive number, got 0"),
        ("data.values.D.7", None, "data.values.D[7]: expected a positive number, got null"),
        ("data.values.N.7", lambda x: 2 * x, "data.sha256: expected "),
        ("data.values.rows", [1.0] * 60, "data.values.rows is unknown; there are N, D"),
        ("data.loss", [], "data.loss: expected a list with something in it, got []"),
        ("data.loss", lambda x: x[:-1], "data.n: expected 59, the number of values in data.loss"),
        ("data.loss.3", -2.0, "data.loss[3]: expected a positive loss under log residuals"),
        ("data.loss.3", lambda x: x + 1, "data.sha256: expected "),
        ("data.weight", [1.0] * 59, "data.weight: expected 60 values, got 59"),
        ("data.weight", [1.0] * 59 + [-1], "data.weight[59]: expected a weight >= 0"),
        ("data.weight", [0] * 60, "data.weight: expected a weight above 0"),
        ("data.weight", [1.0] * 60, "data.hashed: expected D, N, loss, weight"),
        ("data.rows", lambda x: x[1:], "data.rows: expected 60 values, got 59"),
        ("data.rows.5", 2**70, "data.rows[5]: expected a whole number"),
        ("data.group", ["a"] * 59, "data.group: expected 60 values, got 59"),
        ("data.group", [["a"]] * 60, "data.group[0]: expected a finite number"),
        ("data.group", ["a", 1] * 30, "data.group[0]: expected a finite number"),
        ("data.suspects", [0], "data.suspects[0]: expected one of data.rows, got 0"),
        ("data.dropped", [[1]], "data.dropped[0]: expected 2 values, got 1"),
        ("data.dropped", [["x", "why"]], "data.dropped[0][0]: expected a whole number"),
        ("data.names", {"N": 1}, "data.names.N: expected a text, got 1"),
        ("data.sha256", "0" * 64, "data.sha256: expected "),
        ("data.hashed", ["N"], "data.hashed: expected D, N, loss, got ['N']"),
        ("starts.values", [None] * 1024, "certificate.basins: expected the lowest"),
        ("starts.status.0", 8, "starts.status[0]: expected a whole number >= 0 and <= 7"),
        ("starts.status.0", 3, "certificate.statuses: expected the counts of starts.status"),
        ("intervals", {"E": [1, 2]}, "intervals.E is unknown; there are none"),
        ("seconds.total", -1, "seconds.total: expected a number >= 0"),
        ("seconds.total", DELETED, "seconds.total is missing"),
        ("settings.fixed", ["Q"], "settings.fixed[0]: expected one of E, A, B, alpha, beta"),
        ("settings.fixed", ["E", "A", "B", "alpha", "beta"], "settings.fixed: expected at least"),
        ("settings.fixed", DELETED, "settings.fixed is missing"),
        ("settings.of", "C", "settings.of: expected null, since Chinchilla"),
        ("settings.precision", "float16", "settings.precision: expected one of float64"),
        ("settings.seed", 0.5, "settings.seed: expected a whole number or null"),
        ("warnings", [1], "warnings[0]: expected a text"),
    ],
)  # fmt: skip
def test_a_field_that_is_wrong_is_named(tmp_path, document, name, value, message):
    assert message in refusal(tmp_path / "fit.json", damaged(document, name, value))


@pytest.mark.parametrize("field", dataclasses.fields(Certificate), ids=lambda field: field.name)
def test_no_field_of_the_certificate_is_taken_as_it_stands(tmp_path, document, field):
    name = f"certificate.{field.name}"
    assert f"{name}: expected " in refusal(tmp_path / "fit.json", damaged(document, name, {}))
    if field.name not in LATER:
        said = refusal(tmp_path / "fit.json", damaged(document, name, DELETED))
        assert f"{name} is missing" in said


def test_a_certificate_of_an_older_file_is_read(tmp_path, fitted, document):
    for name in LATER:
        document = damaged(document, f"certificate.{name}", DELETED)
    (tmp_path / "fit.json").write_text(json.dumps(document))
    again = jaxscale.load(tmp_path / "fit.json")
    assert again.certificate.trusted and again.law.values == fitted.law.values
    assert (again.certificate.idle, again.certificate.exact) == ((), False)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "it is no JSON"),
        ("null", "not a fit result"),
        ("[" * 100_000, "objects in objects without end"),
        ('{"a":' * 100_000, "objects in objects without end"),
        ('{"params": {}, "data": ' + "9" * 5000 + "}", "an integer of more than 4300 digits"),
        ('{"params": {"E": 1, "E": 2}, "data": {}}', "key 'E' stands twice in one object"),
        ('{"params": {}, "data": {}, "data": {}}', "key 'data' stands twice in one object"),
        ('{"params": {}, "data": {"\\u0061": 1, "a": 2}}', "key 'a' stands twice in one object"),
        ("\0" * 99, "it is no JSON"),
    ],
)
def test_a_text_that_is_no_document_is_a_sentence(tmp_path, text, message):
    assert message in refusal(tmp_path / "fit.json", text)


@pytest.mark.parametrize("part", [10, 5000, -2])
def test_a_file_cut_short_is_a_sentence(tmp_path, document, part):
    assert "it is no JSON" in refusal(tmp_path / "fit.json", json.dumps(document)[:part])


def test_bytes_that_are_no_text_are_a_sentence(tmp_path):
    (tmp_path / "fit.json").write_bytes(b"\x80\x81")
    with pytest.raises(jaxscale.DataError, match="not UTF-8 text \\(byte 0x80\\)"):
        jaxscale.load(tmp_path / "fit.json")


NOT_FILES = {
    "none": (lambda path: None, "no such file"),
    "directory": (lambda path: path.mkdir(), "is a directory; give a result of"),
    "pipe": (lambda path: os.mkfifo(path), "is not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
    "link to itself": (lambda path: path.symlink_to(path), "fit.json"),
}


@pytest.mark.parametrize("kind", NOT_FILES)
def test_what_is_no_regular_file_is_a_sentence(tmp_path, capsys, kind):
    make, message = NOT_FILES[kind]
    make(tmp_path / "fit.json")
    with pytest.raises(jaxscale.DataError, match=message):
        jaxscale.load(tmp_path / "fit.json")
    assert main(["allocate", str(tmp_path / "fit.json"), "--compute", "1e21"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and len(err.splitlines()) == 1


def test_a_file_too_large_is_a_sentence(tmp_path, document, monkeypatch):
    monkeypatch.setattr("jaxscale.fitting.saved.MAX_BYTES", 1 << 20)
    assert "more than 1 MiB" in refusal(tmp_path / "fit.json", " " * (1 << 20) + "{}")


@pytest.mark.parametrize(
    "name, value",
    [
        ("law", DELETED),
        ("params.E", lambda x: 2 * x),
        ("certificate.status", "perfect"),
        ("statistics", None),
        ("data.loss.0", HUGE),
    ],
)
def test_the_commands_refuse_with_2_and_no_number(tmp_path, capsys, document, name, value):
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(damaged(document, name, value)))
    for command in (
        ["allocate", str(path), "--compute", "1e21"],
        ["predict", str(path), "--N", "1e9", "--D", "1e10", "--json"],
        ["bootstrap", str(path)],
        ["plot", str(path), "--figure", str(tmp_path / "x.png")],
    ):
        assert main(command) == 2
        out, err = capsys.readouterr()
        assert name.split(".")[0] in err and len(err.splitlines()) == 1
        assert "error" in json.loads(out) if "--json" in command else out == ""


@pytest.mark.parametrize(
    "name, value",
    [
        ("formula", "L = 0"),  # the law says it itself
        ("derived", {"a": 9}),
        ("versions", None),
        ("sweep", {"key": 1}),
        ("data.hashed", DELETED),
        ("statistics.r2", lambda x: x * (1 + 1e-9)),
        ("params.E", lambda x: x * (1 + 1e-13)),
    ],
)
def test_what_is_not_read_and_rounding_are_no_damage(tmp_path, fitted, document, name, value):
    (tmp_path / "fit.json").write_text(json.dumps(damaged(document, name, value)))
    again = jaxscale.load(tmp_path / "fit.json")
    assert again.law.values == pytest.approx(fitted.law.values, rel=1e-12)


def test_a_file_of_a_table_with_other_columns_loads_as_it_always_did(tmp_path, fitted, noisy):
    """Once the digest covered columns that the file does not keep."""
    rate = np.linspace(1, 2, len(noisy))
    wide = dataclasses.replace(fitted, runs=noisy.replace(lr=rate, C=np.full(len(noisy), np.inf)))
    wide.save(tmp_path / "fit.json")
    again = jaxscale.load(tmp_path / "fit.json")
    assert set(again.runs.columns) == {"N", "D", "C"} and np.isnan(again.runs.columns["C"]).all()
    assert again.to_json() == wide.to_json()
    old = json.loads(wide.to_json())
    del old["data"]["hashed"]
    old["data"]["sha256"] = wide.runs.digest()
    (tmp_path / "old.json").write_text(json.dumps(old))
    assert jaxscale.load(tmp_path / "old.json").law.values == fitted.law.values


def rho(loss, r):
    if loss.name == "absolute":
        return np.abs(r)
    delta = loss.threshold or np.inf
    return np.where(
        np.abs(r) <= delta, r * r / 2, loss.threshold and delta * (np.abs(r) - delta / 2)
    )


LOSSES = [jaxscale.Huber(1e-3), jaxscale.Huber(3.0), jaxscale.Square(), jaxscale.Absolute()]
POWER = jaxscale.PowerLaw(a=12.0, b=-0.2, c=0.4, of="N")
STIFF = jaxscale.PowerLaw(a=-1.5e8, b=1e-9, c=1.5e8 + 6.0, of="N")
CLEAN = {
    "a loss": (POWER, 0.01),
    "a score that rises": (jaxscale.PowerLaw(a=-12.0, b=-0.2, c=0.95, of="N"), 1e-3),
    "an exact fit": (POWER, 0.0),
    "terms that cancel": (STIFF, 1e-8),
    "terms that cancel in an exact fit": (STIFF, 0.0),
    "a large unit": (jaxscale.PowerLaw(a=12e200, b=-0.2, c=0.4e200, of="N"), 0.01),
    "a small unit": (jaxscale.PowerLaw(a=12e-200, b=-0.2, c=0.4e-200, of="N"), 0.01),
}

NARROW = ("absolute", "absolute", "a small unit")


@pytest.mark.parametrize("residual", ["log", "relative", "absolute"])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_file_of_any_kind_loads(tmp_path, fitted, name, loss, residual):
    """The objective of a fit, worked out here: no rounding of it may be called damage."""
    law, noise = CLEAN[name]
    rng = np.random.default_rng(5)
    S, w = np.logspace(7, 10, 30), rng.uniform(0.1, 3, 30)
    p = jaxscale.predict(law, N=S)
    y = p * np.exp(noise * rng.normal(size=30))
    r = {"log": np.log(p) - np.log(y), "relative": (p - y) / y, "absolute": p - y}[residual]
    runs = jaxscale.Runs(N=S, loss=y, weight=w)
    with np.errstate(all="ignore"):
        fit = dataclasses.replace(
            fitted,
            law=law,
            value=float(w @ rho(loss, r)),
            loss=loss,
            residual=residual_named(residual),
            runs=runs,
            prediction=p,
            statistics=statistics(runs, p),
            certificate=dataclasses.replace(fitted.certificate, inside_delta=0),
            suspects=np.zeros(0, int),
            errors={},
        )
    if not math.isfinite(fit.value) or (loss.name, residual, name) == NARROW:
        return  # half the square of 1e200 is no number; the kink of |r| is rounded within 1e-12
    fit.save(tmp_path / "fit.json")
    assert jaxscale.load(tmp_path / "fit.json").law.values == law.values
    if law is STIFF:  # another program rounds its terms otherwise
        other = p + 3e-8 * np.cos(np.arange(30))
        r = {"log": np.log(other) - np.log(y), "relative": other / y - 1, "absolute": other - y}
        value = float(w @ rho(loss, r[residual]))
        dataclasses.replace(fit, value=value, statistics=statistics(runs, other)).save(
            tmp_path / "fit.json"
        )
        assert jaxscale.load(tmp_path / "fit.json").law.values == law.values
    for parameter in law.parameters:
        worse = damaged(json.loads(fit.to_json()), f"params.{parameter}", lambda x: 1.3 * x)
        refusal(tmp_path / "fit.json", worse)


class Cauchy(jaxscale.Loss):
    """A loss of a person's own."""

    width = "c"
    c: float = 1e-2
    power: float = 2.0

    def rho(self, r):
        return 0.5 * self.c**2 * jnp.log1p(jnp.abs(r / self.c) ** self.power)


def test_a_loss_of_the_users_own_is_loaded_by_its_class(tmp_path, fitted):
    path, loss = tmp_path / "fit.json", Cauchy(0.02, 1.5)
    r = np.log(fitted.prediction / fitted.runs.loss)
    with scope(np.float64):
        value = float(np.sum(np.asarray(loss.rho(jnp.asarray(r)))))
    dataclasses.replace(fitted, loss=loss, value=value).save(path)
    document = json.loads(path.read_text())
    assert document["objective"]["loss"] == f"{__name__}:Cauchy"
    assert jaxscale.load(path, loss=Cauchy).loss.document() == loss.document()
    with pytest.raises(
        jaxscale.DataError,
        match=r"give its class: load\(path, loss=Cauchy\), or --loss FILE.py:Cauchy",
    ):
        jaxscale.load(path)
    with pytest.raises(jaxscale.DataError, match="give its class"):
        jaxscale.load(path, loss=jaxscale.Huber)
    with pytest.raises(TypeError, match="loss must be a class of losses"):
        jaxscale.load(path, loss=loss)
    for key, worse, message in (
        ("objective.value", lambda x: 2 * x, "objective.value: the file says"),
        ("objective.delta", -1.0, "objective.delta: expected"),
        ("objective.fields", {"k": 1.0}, "objective.fields"),
        ("objective.loss", "mine:a b", "objective.loss: expected the name of a loss"),
    ):
        path.write_text(json.dumps(damaged(document, key, worse)))
        with pytest.raises(jaxscale.DataError, match=message):
            jaxscale.load(path, loss=Cauchy)


def test_fixed_values_may_lie_anywhere_but_are_numbers(tmp_path, fitted, document):
    loose = damaged(document, "settings.fixed", ["E", "alpha"])
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(loose))
    assert jaxscale.load(path).free == ("A", "B", "beta")
    # Not refused for its sign, but because it is another law.
    assert "objective.value" in refusal(path, damaged(loose, "params.alpha", -1.0))
    assert "params.alpha: expected a finite" in refusal(path, damaged(loose, "params.alpha", None))


def test_a_break_lies_in_its_interval(tmp_path, fitted):
    law = jaxscale.Piecewise(a1=1e-9, b1=3.0, a2=12.0, b2=-0.2, c2=0.4, S0=1e8, of="N")
    S = np.logspace(7, 10, 30)
    runs = jaxscale.Runs(N=S, loss=12 * S**-0.2 + 0.4 + 0.01 * np.sin(S))
    p = jaxscale.predict(law, N=S)
    with np.errstate(all="ignore"):
        fit = dataclasses.replace(
            fitted,
            law=law,
            runs=runs,
            prediction=p,
            value=float(np.sum(rho(fitted.loss, np.log(p) - np.log(runs.loss)))),
            statistics=statistics(runs, p),
            intervals={"S0": (9e7, 1.1e8)},
            certificate=dataclasses.replace(fitted.certificate, inside_delta=0),
            suspects=np.zeros(0, int),
            errors={},
        )
    fit.save(tmp_path / "fit.json")
    assert jaxscale.load(tmp_path / "fit.json").intervals == {"S0": (9e7, 1.1e8)}
    document = json.loads(fit.to_json())
    for value, message in (
        ({}, "intervals.S0 is missing"),
        ({"S0": [1.1e8, 9e7]}, "intervals.S0: expected two numbers with S0"),
        ({"S0": [1.1e8, 2e8]}, "intervals.S0: expected two numbers with S0"),
        ({"S0": [9e7]}, "intervals.S0: expected 2 values"),
        ({"S0": [9e7, None]}, "intervals.S0[1]: expected a finite number"),
        ({"S0": "wide"}, "intervals.S0: expected a list"),
    ):
        assert message in refusal(tmp_path / "fit.json", damaged(document, "intervals", value))


class Chinchilla(jaxscale.Law):
    """A law of another formula under a name of the catalogue."""

    E: jaxscale.Scalar = jaxscale.offset("e")

    def __call__(self, N):
        return self.E + 0.0 * N


class Fails(jaxscale.Chinchilla):
    """A law that cannot be evaluated."""

    def __call__(self, N, D):
        raise KeyError("gamma")


class Wide(jaxscale.Chinchilla):
    """A law that gives a table."""

    def __call__(self, N, D):
        return N[:, None] * D[None, :]


@pytest.mark.parametrize(
    "law, message",
    [
        (Chinchilla, "params.A is unknown; there are E"),
        (Fails, "Fails on the runs of the file: KeyError: 'gamma'"),
        (Wide, "Wide gives an array of shape (60, 60) for 60 runs"),
        (jaxscale.KaplanN, "fitted with the law 'Chinchilla'"),
    ],
)
def test_a_law_that_does_not_fit_its_file_is_a_sentence(tmp_path, document, law, message):
    name = law.__name__ if law in (Fails, Wide) else "Chinchilla"
    said = refusal(tmp_path / "fit.json", damaged(document, "law", name), law=law)
    assert message in said


def test_only_a_class_of_laws_is_taken(tmp_path, document):
    (tmp_path / "fit.json").write_text(json.dumps(document))
    for law in ("Chinchilla", jaxscale.Chinchilla(), dict):
        with pytest.raises(TypeError, match="law must be a class of laws"):
            jaxscale.load(tmp_path / "fit.json", law=law)
