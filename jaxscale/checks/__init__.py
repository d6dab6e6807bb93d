"""What a law, its formula and a design of runs must have before a fit of them means anything."""
