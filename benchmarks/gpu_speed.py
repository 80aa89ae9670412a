"""The parts of `benchmarks/gpu.py` that measure throughput."""

import importlib.util
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu_clock import WARM, gemm_peak, peak_memory, synchronize, trainings
from benchmarks.gpu_shapes import BERT, LABELS, MINILM, ROOT, TINY, device, encoder, label, project, stages, texts, threads, tokenizer
from labelrounds.core import files

NOTES: Path | None = None  # where a part leaves what it has measured so far


def note(found: dict[str, Any]) -> dict[str, Any]:
    """Keeps what has been measured so far, in case that the part fails or is stopped; returns it."""
    if NOTES:
        files.write_json(NOTES, found)
    return found


def base(tiny_shapes: bool, room: Path) -> dict[str, Any]:
    """Returns what prediction and training reach at BERT-base's shape, beside loops of plain transformers on the same texts."""
    import torch

    from labelrounds.labelers import contract, transformer
    from labelrounds.models import base_models, runtime

    shape = TINY if tiny_shapes else BERT
    machine = runtime.start(13, threads(), "auto", shape.tokens)
    known, peak = shape.operations(), gemm_peak(256 if tiny_shapes else 8192)
    found: dict[str, Any] = {
        "bf16": machine.bf16,
        "tokens": shape.tokens,
        "gemm_tflops": round(peak / 1e12, 2),
        "gflop_per_text": round(known / 1e9, 3),
    }
    note(found)
    folder = encoder(shape, room / "base")
    begun = base_models.BaseModel(folder, base_models.MASKED, base_models.load_tokenizer(folder))
    card = new_card(shape.tokens, "cls")
    transformer.save(base_models.load_classifier(begun, card.schema, machine, card.pooling), begun, card, room / "labeler")
    labeler: Any = contract.load(room / "labeler", machine)
    sizes = (16,) if tiny_shapes else (64, 512)
    many = texts(64 if tiny_shapes else 8192, shape.tokens - 2, shape.tokens - 2)

    def share(texts_per_second: float, passes: int = 1) -> dict[str, float]:
        return {"texts_per_second": round(texts_per_second, 1), "share_of_gemm": round(passes * known * texts_per_second / peak, 4)}

    began = time.perf_counter()
    rows = transformer.tokenize(many, labeler.tokenizer, shape.tokens)
    found["predict"] = {"tokenize_texts_per_second": round(len(many) / (time.perf_counter() - began), 1), "threads": threads()}
    for size in sizes:
        some = many[: size * 32]
        labeler.scores(some[: 2 * size], size)
        began = synchronize()
        labeler.scores(some, size)
        found["predict"][f"labeler_scores_{size}"] = share(len(some) / (synchronize() - began))
        note(found)
    peer = base_models.load_classifier(begun, card.schema, machine, card.pooling).eval().to(machine.device)
    ids = torch.tensor([row["input_ids"] for row in rows], device=machine.device)
    for size in sizes:
        with runtime.autocast(machine):
            found["predict"][f"peer_autocast_{size}"] = share(plain_prediction(peer, ids[: size * 32], size))
    whole = peer.bfloat16() if machine.bf16 else peer
    for size in sizes:
        found["predict"][f"peer_whole_bf16_{size}"] = share(plain_prediction(whole, ids[: size * 32], size))
        note(found)
    del whole, peer, labeler
    found["train"] = {}
    for size in (8,) if tiny_shapes else (16, 128):
        steps = WARM + (5 if tiny_shapes else 30)
        with trainings() as seen:
            tuned(begun, card, many[: size * steps], machine, room / f"training-{size}", batch_size=size, epochs=1)
        found["train"][f"trainer_{size}"] = {**seen[0], **share(seen[0]["texts_per_second"], 3)}
        note(found)
        peer = base_models.load_classifier(begun, card.schema, machine, card.pooling).train().to(machine.device)
        found["train"][f"peer_{size}"] = share(plain_training(peer, ids, size, steps, machine), 3)
        note(found)
        del peer
    return found


def new_card(tokens: int, pooling: str) -> Any:
    """Returns the card of a labeler that knows nothing."""
    from labelrounds.labelers import contract

    return contract.Card("transformer", "multi-class", LABELS, [0.5] * 3, 1.0, tokens, None, {"n": 0, "fingerprint": ""}, pooling=pooling)


def tuned(begun: Any, card: Any, some: list[str], machine: Any, folder: Path, **changes: Any) -> Any:
    """Fine-tunes a base model on texts, as the method `supervised` does; returns the model."""
    from labelrounds.core import params
    from labelrounds.core.examples import Examples
    from labelrounds.core.task import indicator
    from labelrounds.methods import classifier

    os.chdir(ROOT)
    finetune = params.load().finetune.model_copy(update={"min_steps": 0, "head": "random", "learning_rate": 2e-5, **changes})
    gold = indicator([(label(text),) for text in some], card.schema)
    none = Examples([], [], np.zeros((0, len(LABELS)), dtype=gold.dtype))
    model, _ = classifier.train(
        begun, card, Examples([str(number) for number in range(len(some))], some, gold), none, finetune, folder, machine, 3600, "finetune"
    )
    return model


def plain_prediction(model: Any, ids: Any, size: int) -> float:
    """Returns texts a second of a loop over batches that are on the device already."""
    import torch

    mask = torch.ones_like(ids)
    with torch.inference_mode():
        for part in (ids[: 2 * size], ids):
            began = synchronize()
            results = [model(input_ids=batch, attention_mask=mask[: len(batch)]).logits.float() for batch in part.split(size)]
            torch.cat(results).cpu()
    return len(ids) / (synchronize() - began)


def plain_training(model: Any, ids: Any, size: int, steps: int, machine: Any) -> float:
    """Returns texts a second of a training loop over batches that are on the device already, with torch's default kernels."""
    import torch

    from labelrounds.models import runtime

    mode = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("default")
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, fused=True)
    labels, mask = torch.zeros(size, dtype=torch.long, device=ids.device), torch.ones_like(ids[:size])
    began = synchronize()
    for step in range(steps):
        if step == WARM:
            began = synchronize()
        begin = step * size % max(len(ids) - size, 1)
        with runtime.autocast(machine):
            loss = model(input_ids=ids[begin : begin + size], attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    seconds = synchronize() - began
    torch.set_deterministic_debug_mode(mode)
    return (steps - WARM) * size / seconds


def minilm(tiny_shapes: bool, room: Path) -> dict[str, Any]:
    """Returns the throughput of the stages `adapt` and `finetune` at MiniLM's shape."""
    shape = TINY if tiny_shapes else replace(MINILM, tokens=64)
    pool = texts(400 if tiny_shapes else 10000, 6, shape.tokens - 4)
    labelled = pool[: 150 if tiny_shapes else 4000]
    project(
        room / "project", encoder(shape, room / "base"), pool, {text: label(text) for text in labelled}, LABELS, model__max_length=shape.tokens,
        runtime__checkpoint_seconds=3600, split__valid=0.1, split__test=0.1, adapt__epochs=1, adapt__batch_size=16 if tiny_shapes else 128,
        finetune__epochs=2, finetune__min_steps=0, finetune__batch_size=8 if tiny_shapes else 64, predict__batch_size=16 if tiny_shapes else 512,
        recipes={"adapted": {"encoder": "adapted", "method": "supervised"}},
    )  # fmt: skip
    found: dict[str, Any] = {"tokens_at_most": shape.tokens, "texts": len(pool), "labelled": len(labelled), "stage_seconds": {}}
    with trainings() as seen:
        for called in ("base", "split", "corpus", "adapt", "finetune adapted", "predict"):
            began = time.perf_counter()
            stages(room / "project", [called])
            found["stage_seconds"][called] = round(time.perf_counter() - began, 2)
            found["trainings"] = list(seen)
            note(found)
    found["predict_texts_per_second_of_stage"] = round(len(pool) / found["stage_seconds"]["predict"], 1)
    return found


def decoder(tiny_shapes: bool, room: Path) -> dict[str, Any]:
    """Returns steps a second and the peak of memory of LoRA on a decoder of a billion parameters, with whole weights and in four bits."""
    import torch
    import transformers

    from labelrounds.core.params import Lora
    from labelrounds.models import base_models, runtime

    sizes = {
        "hidden_size": 2048,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 8192,
        "vocab_size": 32000,
    }
    small = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "intermediate_size": 64,
        "vocab_size": 8192,
    }
    tokens, size, steps = (32, 4, WARM + 3) if tiny_shapes else (128, 16, WARM + 20)
    machine = runtime.start(13, threads(), "auto", tokens)
    with device():
        config = transformers.LlamaConfig(**(small if tiny_shapes else sizes), max_position_embeddings=2048, pad_token_id=0, eos_token_id=3)
        model = transformers.LlamaForCausalLM._from_config(config, dtype=torch.bfloat16)
    found: dict[str, Any] = {"parameters": sum(weight.numel() for weight in model.parameters()), "tokens": tokens, "batch_size": size}
    model.cpu().save_pretrained(room / "base")
    tokenizer(decoder=True).save_pretrained(room / "base")
    del model
    begun = base_models.BaseModel(room / "base", base_models.CAUSAL, base_models.load_tokenizer(room / "base"))
    some = texts(size * steps, tokens, tokens)
    for name, four_bit in (("lora", False), ("four_bit", True)):
        if four_bit and (tiny_shapes or lacks("bitsandbytes")):
            found[name] = "not run with --tiny" if tiny_shapes else "not installed: bitsandbytes"
            continue
        peak_memory(reset=True)
        with trainings() as seen:
            try:
                lora = Lora(r=16, alpha=32, dropout=0.05, targets=(), four_bit=four_bit)
                tuned(begun, new_card(tokens, "last"), some, machine, room / name, batch_size=size, epochs=1, learning_rate=3e-4, lora=lora)
                found[name] = seen[0]
            except Exception as error:
                found[name] = {"error": f"{type(error).__name__}: {error}"[:2000]}
        note(found)
    if failed := [name for name in ("lora", "four_bit") if "error" in found[name]]:
        found["error"] = f"{', '.join(failed)} failed"
    return found


def lacks(name: str) -> bool:
    return importlib.util.find_spec(name) is None
