"""The report of a fit: one page that needs nothing but itself.

The answer stands on top, in one sentence with its interval and what speaks against it; below it
all that led there. The page asks no network for anything, runs one script of ours under a strict
content security policy, and says the same without it.
"""
