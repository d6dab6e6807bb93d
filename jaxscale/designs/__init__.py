"""Which runs to make next: candidates, what they would tell, and the batch that tells most."""
