"""Tiny transformers, made on the spot with random weights, and small corpora in which labels can be learnt."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Words that tell the label, and words that tell nothing.
TOPICS = {
    "billing": ["invoice", "refund", "charge", "payment", "price"],
    "delivery": ["parcel", "courier", "late", "shipping", "address"],
    "praise": ["great", "love", "thanks", "perfect", "happy"],
}
FILLER = ["the", "my", "is", "was", "and", "for", "with", "this", "order", "today", "again", "please", "you", "it", "on"]
CHINESE = {
    "财经": ["股票", "基金", "银行", "利率", "市场"],
    "体育": ["比赛", "球队", "冠军", "进球", "教练"],
    "科技": ["手机", "芯片", "软件", "网络", "数据"],
}
CHAT = (  # ChatML, as SmolLM2 and many others speak it
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
CHINESE_FILLER = ["今天", "我们", "新的", "一个", "非常", "已经", "关于", "的", "了", "在"]


def texts(n: int, seed: int = 0, chinese: bool = False) -> list[tuple[str, str]]:
    """Returns n distinct (text, label), also distinct as near-duplicates; the label can be told from one or two words."""
    draw = random.Random(seed)
    topics, filler, joint = (CHINESE, CHINESE_FILLER, "") if chinese else (TOPICS, FILLER, " ")
    found: dict[str, str] = {}
    while len(found) < n:
        label = draw.choice(list(topics))
        words = draw.sample(topics[label], draw.choice([1, 2])) + draw.sample(filler, draw.randint(4, 9))
        draw.shuffle(words)
        found[joint.join(words)] = label
    return list(found.items())


def multi_label_texts(n: int, seed: int = 0) -> list[tuple[str, tuple[str, ...]]]:
    """Returns n distinct (text, labels): none, one or two topics per text."""
    draw = random.Random(seed)
    found: dict[str, tuple[str, ...]] = {}
    while len(found) < n:
        labels = tuple(sorted(draw.sample(list(TOPICS), draw.choice([0, 1, 1, 1, 2]))))
        words = [word for label in labels for word in draw.sample(TOPICS[label], 2)] + draw.sample(FILLER, draw.randint(4, 8))
        draw.shuffle(words)
        found[" ".join(words)] = labels
    return list(found.items())


def tokenizer(kind: str = "bert"):
    """Returns a word tokenizer that knows the corpora's words; `kind` says which special tokens it has."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = sorted({word for topics in (TOPICS, CHINESE) for group in topics.values() for word in group} | set(FILLER) | set(CHINESE_FILLER))
    characters = sorted({character for word in words if not word.isascii() for character in word})
    decoder = kind in ("gpt2", "llama")
    special = ["<unk>", "<eos>"] if decoder else ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys([*special, *words, *characters]))}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=special[0] if decoder else "[UNK]"))
    inner.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.BertNormalizer(lowercase=False)])
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if decoder:
        return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", eos_token="<eos>")
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "attention_mask"],
    )


def chat_tokenizer(kind: str):
    """Returns a byte-level tokenizer with the control tokens of `llama-3` or `phi-3`, of which few are named; `folding` finds other spellings, too."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.BPE())
    words.pre_tokenizer, words.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    words.train_from_iterator([text for text, _ in texts(20)], trainer)
    named, others = {
        "llama-3": (["<|begin_of_text|>", "<|eot_id|>"], ["<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|python_tag|>"]),
        "phi-3": (["<s>", "<|endoftext|>"], ["</s>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]),
        "folding": (["<s>", "<|endoftext|>"], ["<|end|>", "[inst]", "[/inst]"]),
    }[kind]
    folds = kind == "folding"
    if folds:
        words.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, bos_token=named[0], eos_token=named[1])
    # Phi 3's </s> is not even marked as special.
    tokenizer.add_tokens([AddedToken(token, special=token != "</s>", normalized=folds) for token in others])
    return tokenizer


def model(folder: str | Path, kind: str = "bert", headless: bool = False, seed: int = 0) -> Path:
    """Saves a tiny model of the given kind with random weights as a Hugging Face folder and returns the folder.

    kind : bert, roberta, distilbert, electra, modernbert, xlm-roberta, gpt2 or llama
    headless : without the language-model head, as sentence encoders come
    """
    import torch
    import transformers

    torch.manual_seed(seed)
    words = tokenizer(kind)
    size = len(words)
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": size}
    pad = words.pad_token_id
    configs = {
        "bert": lambda: transformers.BertConfig(**small, max_position_embeddings=64, pad_token_id=pad),
        "roberta": lambda: transformers.RobertaConfig(**small, max_position_embeddings=66, pad_token_id=pad, type_vocab_size=1),
        "xlm-roberta": lambda: transformers.XLMRobertaConfig(**small, max_position_embeddings=66, pad_token_id=pad, type_vocab_size=1),
        "distilbert": lambda: transformers.DistilBertConfig(
            vocab_size=size, dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=64
        ),
        "electra": lambda: transformers.ElectraConfig(**small, embedding_size=32, max_position_embeddings=64, pad_token_id=pad),
        "modernbert": lambda: transformers.ModernBertConfig(
            **small,
            max_position_embeddings=64,
            pad_token_id=pad,
            bos_token_id=2,
            eos_token_id=3,
            cls_token_id=2,
            sep_token_id=3,
            global_attn_every_n_layers=2,
            local_attention=16,
        ),
        "gpt2": lambda: transformers.GPT2Config(vocab_size=size, n_positions=64, n_embd=32, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=1),
        "llama": lambda: transformers.LlamaConfig(**small, num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=1),
    }
    config = configs[kind]()
    causal = kind in ("gpt2", "llama")
    head = transformers.AutoModel if headless else transformers.AutoModelForCausalLM if causal else transformers.AutoModelForMaskedLM
    head.from_config(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return Path(folder)


def gguf(path: Path, seed: int = 0, teach: Callable[[Any, Any], None] | None = None) -> Path:
    """Writes a tiny LLaMA with random weights and a byte-level tokenizer as a GGUF file; beside it, without the suffix, the same as a folder.

    teach : trains (model, tokenizer) before they are written
    """
    import numpy as np
    import torch
    import transformers
    from gguf import GGUFWriter, TokenType
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    words.train_from_iterator([text for text, _ in texts(200)], trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, bos_token=special[1], eos_token=special[2], unk_token=special[0])
    tokenizer.chat_template = CHAT
    torch.manual_seed(seed)
    heads, hidden = 2, 64
    config = transformers.LlamaConfig(
        hidden_size=hidden, num_hidden_layers=2, num_attention_heads=heads, num_key_value_heads=heads, intermediate_size=128,
        vocab_size=len(tokenizer), max_position_embeddings=1024, bos_token_id=1, eos_token_id=2, tie_word_embeddings=True,
    )  # fmt: skip
    whole = transformers.LlamaForCausalLM(config)
    if teach:
        teach(whole, tokenizer)
    whole.save_pretrained(path.with_suffix(""))
    tokenizer.save_pretrained(path.with_suffix(""))

    writer = GGUFWriter(str(path), "llama")
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(hidden)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(hidden // heads)
    writer.add_vocab_size(len(tokenizer))
    inner = json.loads(words.to_str())["model"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    vocabulary = sorted(inner["vocab"], key=inner["vocab"].__getitem__)
    writer.add_token_list(vocabulary)
    writer.add_token_types([TokenType.CONTROL if word in special else TokenType.NORMAL for word in vocabulary])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in inner["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT)
    names = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    }  # fmt: skip
    for key, tensor in whole.state_dict().items():
        array = tensor.numpy().astype(np.float32)
        if key == "lm_head.weight":
            continue  # tied to the embedding
        if key.endswith(("q_proj.weight", "k_proj.weight")):
            # GGUF's LLaMA rotates neighbouring numbers, transformers' the two halves of a head.
            array = array.reshape(heads, 2, array.shape[0] // heads // 2, hidden).swapaxes(1, 2).reshape(array.shape)
        if key.startswith("model.layers."):
            _, _, number, rest = key.split(".", 3)
            name = f"blk.{number}.{names[rest.removesuffix('.weight')]}.weight"
        else:
            name = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[key]
        writer.add_tensor(name, np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
