"""Runs and a law in, a certified fit out."""
