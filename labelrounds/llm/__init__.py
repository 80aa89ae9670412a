"""Language models that are asked for labels: what is asked, who answers, what the answers mean, and where they are kept.

It imports labelers and the floors below. The stage `ask` calls it; `contract.load` finds the labeler of kind `prompted` here.
"""
