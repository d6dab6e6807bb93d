"""What an answer owes to choices: the best N and D of a budget under every defensible one."""
