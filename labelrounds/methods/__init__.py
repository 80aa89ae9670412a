"""How a recipe becomes a labeler: one module per method, found by its name.

It imports labelers and the floors below. The stage `finetune` calls `jobs.make`.
"""
