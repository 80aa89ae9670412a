"""Selection strategies: what `select.strategy` in params.yaml may name. A new one is one module here, found by its name.

uncertainty(scores, multi_label)    float array of shape (n,), larger for texts that the model knows less about
order(uncertainty, seed)            optional: the n numbers in the order in which to ask; most uncertain first otherwise
spread(vectors, size, seed)         optional: `size` numbers of n candidates, by their embeddings of shape (n, d)
"""
