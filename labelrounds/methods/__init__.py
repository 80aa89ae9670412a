"""How a recipe becomes a labeler: one module per method, found by its name.

A method defines NEEDS, Settings and make (see `jobs`). `classifier`, `jobs` and `judging` are no methods: methods share them.

It imports labelers and the floors below. The stage `finetune` calls `jobs.make`.
"""
