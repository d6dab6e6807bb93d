"""How sure an answer of a fit is, and which runs decide it."""
