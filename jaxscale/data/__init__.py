"""Tables of training runs, and loss curves, as people have them."""
