"""How far a law is from runs: losses, the unit-free space of parameters, the objective."""
