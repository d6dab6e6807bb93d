"""How results are shown: as text, as HTML in a notebook, as dataframes."""
