"""The page that people look at: its sections, its plots, its numbers in words.

It imports measures and the floors below, and reads metrics, never models. The stage `report` and the command of that name call it.
"""
