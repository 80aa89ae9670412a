"""Measurements. Each module answers one question: how good is a labeler, is one better than another, does it agree with people,
what may it label alone, what to ask next.

Arrays in, plain dicts out, no torch. It imports rounds, pool and core, and knows nothing of models. Stages that measure call it, and
so do methods, to choose.
"""
