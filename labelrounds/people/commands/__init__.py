"""What people type: each command is a few lines that call the rest of this floor. `people/cli.py` puts them in order and calls them."""
