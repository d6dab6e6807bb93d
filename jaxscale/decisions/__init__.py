"""What a law says to do: the best N and D for a budget, and its compute frontier."""
