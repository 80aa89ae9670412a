"""The vocabulary that a training needs: vectors of tokens that no text holds need no gradient, and no optimizer's state.

A few hundred labelled texts hold some thousand of a vocabulary's thirty thousand tokens. In a small model the others
are half of all weights, and each step would clear, sum and update them although nothing asks for it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def narrowed(model: Any, token_ids: Iterable[int]) -> Iterator[None]:
    """The model has vectors for these tokens alone meanwhile; afterwards for all again, with what these have learnt.

    The same training as with all of them, but that weight decay leaves the vectors of other tokens where they are.
    Another token than these is an IndexError. Nothing happens where the vectors do not train, as with adapters.
    """
    import torch

    whole = model.get_input_embeddings()
    if not whole.weight.requires_grad:
        yield
        return

    class Narrowed(torch.nn.Module):
        places: torch.Tensor  # a buffer

        def __init__(self, ids: Any) -> None:
            super().__init__()
            places = torch.full((whole.num_embeddings,), -1)
            places[ids] = torch.arange(len(ids))
            self.register_buffer("places", places.to(whole.weight.device), persistent=False)
            padding = None if whole.padding_idx is None or places[whole.padding_idx] < 0 else int(places[whole.padding_idx])
            self.rows = torch.nn.Embedding(len(ids), whole.embedding_dim, padding, _weight=whole.weight.detach()[ids].clone())

        def forward(self, input_ids: Any) -> Any:
            return self.rows(self.places[input_ids])

    ids = torch.tensor(sorted(set(token_ids)))
    narrow = Narrowed(ids)
    model.set_input_embeddings(narrow)
    try:
        yield
    finally:
        model.set_input_embeddings(whole)
        with torch.no_grad():
            whole.weight[ids] = narrow.rows.weight
