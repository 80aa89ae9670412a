"""A classification head on one vector per text, pooled from its tokens: for what no class of transformers expresses.

Imports torch and transformers at once, so import it where a model is loaded.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from labelrounds.models import pooling

HEAD = "head.safetensors"


class PooledClassifier(PreTrainedModel):
    """An encoder or a decoder, what it says of a text's tokens pooled to one vector, dropout, and a linear layer.

    encoder : a model of transformers without a head, whose config has `num_labels`; how : as in pooling.py
    """

    base_model_prefix = "encoder"
    # The encoder has chosen its attention already: transformers asks the outer class again.
    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = _supports_attention_backend = True

    def __init__(self, encoder: Any, how: str) -> None:
        super().__init__(encoder.config)
        self.encoder = encoder
        self.how = how
        config: Any = encoder.config
        share = getattr(config, "classifier_dropout", None)
        self.dropout = torch.nn.Dropout(getattr(config, "hidden_dropout_prob", 0.0) if share is None else share)
        self.score = torch.nn.Linear(config.hidden_size, config.num_labels)
        torch.nn.init.normal_(self.score.weight, std=getattr(config, "initializer_range", 0.02))
        torch.nn.init.zeros_(self.score.bias)

    def forward(self, input_ids: Any, attention_mask: Any = None, **further: Any) -> SequenceClassifierOutput:
        """Returns logits of shape (n, n_labels) for token ids and a mask of shape (n, tokens)."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **further).last_hidden_state
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        logits: Any = self.score(self.dropout(pooling.pool(hidden, mask, self.how)))
        return SequenceClassifierOutput(logits=logits)


def save(model: PooledClassifier, folder: Path) -> None:
    """Writes the encoder as any other of transformers, so that AutoModel reads it, and the head beside it."""
    model.encoder.save_pretrained(folder)
    head = {"weights": model.score.weight.detach().float().cpu().contiguous(), "bias": model.score.bias.detach().float().cpu().contiguous()}
    save_file(head, str(folder / HEAD))


def load(folder: Path, how: str) -> PooledClassifier:
    """Returns what `save` wrote. how : as in pooling.py"""
    from transformers import AutoModel

    encoder = AutoModel.from_pretrained(folder, local_files_only=True, trust_remote_code=False, use_safetensors=True)
    model = PooledClassifier(encoder, how)
    head = load_file(str(folder / HEAD))
    with torch.no_grad():
        model.score.weight.copy_(head["weights"])
        model.score.bias.copy_(head["bias"])
    return model
