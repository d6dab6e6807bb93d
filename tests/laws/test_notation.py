"""Formulas in LaTeX."""

import re
from collections import Counter

import pytest

from jaxscale.laws import CATALOGUE
from jaxscale.laws.notation import latex


@pytest.mark.parametrize(
    ("formula", "written"),
    [
        ("L(N) = E + A N^-alpha", r"L (N) = E + A N^{-\alpha}"),
        ("L(N, D) = E + B / D^beta", r"L (N, D) = E + \frac{B}{D^{\beta}}"),
        ("(N_c / N)^alpha_N", r"\left(\frac{N_{c}}{N}\right)^{\alpha_{N}}"),
        # What stands before or behind a stroke is the whole product, and no more.
        ("E + L0 g / (1 + g) - c", r"E + \frac{L_{0} g}{1 + g} - c"),
        ("(a + b) (c + d) / e", r"\frac{(a + b) (c + d)}{e}"),
        # A minus before a bracket is for all that the bracket holds.
        ("k^-(beta + delta)", r"k^{-(\beta + \delta)}"),
        ("k^(beta - delta)", r"k^{\beta - \delta}"),
        ("2^(-1 / tau)", r"2^{- \frac{1}{\tau}}"),
        ("E'^p", r"{E'}^{p}"),
        ("a S + b for S <= S0", r"a S + b \ \text{for}\  S \le S_{0}"),
        ("1 / sum of C_i h_i", r"\frac{1}{\sum C_{i} h_{i}}"),
        ("a ) b", r"\text{a ) b}"),
    ],
)
def test_a_formula_as_people_type_it_is_this_latex(formula, written):
    assert latex(formula) == written


@pytest.mark.parametrize("law", list(CATALOGUE))
def test_the_formula_of_a_law_loses_no_name_and_no_number(law):
    formula = CATALOGUE[law].formula()
    written = latex(formula)
    assert not written.startswith(r"\text")
    spelled = {"eps": "epsilon", "lam": "lambda", "inf": "infty"}
    spelled |= {"product over j of": "prod j", "sum of": "sum"}
    plain = re.sub(r"\\(text|mathrm|left|right|frac|quad|cdots|cdot|le)\b", "", written)
    formula = formula.replace("²", "2")
    for typed, name in spelled.items():
        formula = re.sub(rf"(?<![A-Za-z]){typed}(?![A-Za-z])", name, formula)
    counted = (Counter(re.findall(r"[^\W_]", text)) for text in (plain, formula))
    assert next(counted) == next(counted)
