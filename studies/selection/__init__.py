"""Labelling rounds played with known labels: what each selection strategy buys."""
