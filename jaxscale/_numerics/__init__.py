"""Numerics that know nothing of scaling laws: small matrices, roots, programs, precision."""
