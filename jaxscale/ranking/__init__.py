"""A bench for laws: proposed ones against the catalogue, on every table at hand."""
