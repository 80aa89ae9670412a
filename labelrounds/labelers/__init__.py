"""Labelers: whatever is inside, texts go in and scores come out.

`contract` says what all of them have in common; every other module is one kind, found by its name. It imports models, measures
and the floors below. Stages that ask a labeler call `contract.load` and know nothing else.
"""
