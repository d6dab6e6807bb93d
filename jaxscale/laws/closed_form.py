"""A law as a sum of powers of single inputs, raised to a power: what decisions solve by hand.

L = offset + (sum of coefficient * input^-exponent)^power covers every power law of one scale,
Chinchilla (offset E) and Kaplan's L(N, D) (power alpha_D). A law says that of itself in
`Law.closed_form`; the best N and D at a budget, the compute-optimal frontier and the scale that
reaches a loss then follow without a search.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from jaxscale._numerics.positive import power as raised
from jaxscale.shown.blocks import Shown


@dataclasses.dataclass(frozen=True)
class Term(Shown):
    """coefficient * input^-exponent.

    Attributes:
        input: name of the input; S stands for the column `of` of a law of one scale, as in `per=`.
        coefficient: number or array.
        exponent: positive where the term falls.

    Example:
        >>> import jaxscale
        >>> jaxscale.Term("N", coefficient=406.4, exponent=0.34)
        Term
          input        N
          coefficient  406.4
          exponent     0.34
    """

    input: str
    coefficient: Any
    exponent: Any


@dataclasses.dataclass(frozen=True)
class Sum(Shown):
    """L = offset + (sum of terms)^power.

    Attributes:
        offset: the asymptote; 0.0 for none.
        terms: the terms, of one input each.
        power: of their sum; the number 1 for the sum itself.

    Example:
        >>> import jaxscale
        >>> terms = jaxscale.Term("N", 406.4, 0.34), jaxscale.Term("D", 410.7, 0.28)
        >>> round(float(jaxscale.Sum(1.69, terms)(N=70e9, D=1.4e12)), 3)
        1.937
    """

    offset: Any
    terms: tuple[Term, ...]
    power: Any = 1

    @property
    def plain(self) -> bool:
        """Whether the sum stands as it is; a power that happens to be 1 counts as a power."""
        return isinstance(self.power, int) and self.power == 1

    def powered(self, total: Any) -> Any:
        """Return total^power.

        Args:
            total: the sum of the terms, a number or an array of any shape.
        """
        return total if self.plain else raised(total, self.power)

    def __call__(self, **inputs: Any) -> Any:
        """Return the loss at named inputs.

        Args:
            **inputs: the inputs of the terms by name, of shapes that broadcast.
        """
        total = sum(
            term.coefficient * raised(inputs[term.input], -term.exponent) for term in self.terms
        )
        return self.offset + self.powered(total)
