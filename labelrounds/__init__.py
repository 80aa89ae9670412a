"""The rooms that stages and people share, one module per noun."""
