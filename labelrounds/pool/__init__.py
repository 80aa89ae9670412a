"""The texts: the pool as a stream, the identity of a text, and the texts without labels that models learn from.

It imports core. It has never heard of a label that a person gave, so that the stage `adapt` cannot either. Everything that reads
texts calls it.
"""
