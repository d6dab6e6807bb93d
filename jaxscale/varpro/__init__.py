"""Variable projection: coefficients solved for, exponents searched on whole grids."""
