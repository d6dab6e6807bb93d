"""Two recipes compared: how much faster, how much less compute."""
