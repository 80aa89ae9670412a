"""What people said: rounds of labels, the vote on each text, the rule of the holdout, the queue and audits.

It imports pool and core. The stages split, gate and select call it, and so does everything that learns from labels.
"""
