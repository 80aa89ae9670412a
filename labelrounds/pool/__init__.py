"""The texts: the pool as a stream, the identity of a text, and the texts without labels that models learn from.

This floor reads no label that a person gave. So the stage `adapt`, which uses only this floor, models and core, cannot see any.
It imports core. Everything that reads texts calls it.
"""
