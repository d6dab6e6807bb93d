"""Three ways from a table of runs to the best N and D for a budget, side by side.

Approach 1 is the envelope of training curves (`envelope`), approach 2 the minimum of a polynomial
per budget (`budgets`, `valleys`, `minima`), approach 3 a law of N and D. `approaches` sets them
side by side, `bias` says what approach 2 would get wrong on this very design.

Source: Hoffmann et al. 2022, arXiv:2203.15556, sections 3.1 to 3.3.
"""
