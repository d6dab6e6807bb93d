"""The record: published fits of public tables, refitted under their authors' own objective."""
