"""Base models: bring one to disk, load it, train it, save it.

It imports pool and core. It has never heard of rounds, so that the stage `adapt`, which calls it, cannot either. Labelers and
methods call it too.
"""
