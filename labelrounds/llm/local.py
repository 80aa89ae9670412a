"""A language model on this machine: the log-probability of every answer, read from the model itself.

Each text is run on its own, so its numbers do not depend on which others were asked with it, or before it: a run that
was killed, or that asks only what is new, gives the same bytes. What all prompts begin with is run once.
"""

import copy
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labelrounds.core.errors import UserError, at
from labelrounds.llm.prompt import Example, Prompt, Question
from labelrounds.llm.responses import Response
from labelrounds.models import base_models
from labelrounds.models.runtime import Machine

# Texts that share nothing: where the prompts about them part is where every prompt's own part begins.
UNLIKE = ("a", "1", "%", "中")


class LocalModel:
    """A causal language model with its tokenizer and what all questions of `prompt`, with these `examples`, begin with."""

    def __init__(self, folder: Path, prompt: Prompt, examples: tuple[Example, ...], machine: Machine) -> None:
        self.folder, self.machine = folder, machine
        self._encoder = base_models.open_base(folder)
        if self._encoder.objective != base_models.CAUSAL:
            raise UserError(
                f"{at(folder)}: this model guesses masked words and cannot be prompted. Choose one that writes text (language_models in params.yaml)."
            )
        self.tokenizer = self._encoder.tokenizer
        self._control, self._numbers = control_tokens(self.tokenizer)
        sequences = [self.tokens(question) for text in UNLIKE for question in prompt.questions(text, examples)]
        self._prefix = _shared(sequences)
        self._model: Any = None
        self._cache: Any = None

    def tokens(self, question: Question) -> list[int]:
        """Returns the prompt's token ids, up to where the answer begins."""
        messages = [{**message, "content": plain(message["content"], self.tokenizer, self._control, self._numbers)} for message in question.messages]
        if self.tokenizer.chat_template:
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            return self.tokenizer(text, add_special_tokens=False)["input_ids"]
        # A model that was never taught to chat goes on with a text: answers stand where the answers before stood.
        text = ""
        for message in messages:
            text += (
                f" {message['content']}\n\n"
                if message["role"] == "assistant"
                else message["content"] + ("\n\n" if message["role"] == "system" else "")
            )
        return self.tokenizer(text)["input_ids"]

    def ask(self, asked: list[list[Question]], keep: Callable[[int, int, Response], None], progress: Callable[[int], Any]) -> None:
        """Calls keep(text's number, question's number, response) for every question about every text, one text after the other."""
        import torch

        self._load()
        with torch.inference_mode():
            for number, questions in enumerate(asked):
                for place, response in enumerate(self._answer(questions)):
                    keep(number, place, response)
                progress(1)

    def _load(self) -> None:
        import torch

        if self._model is not None:
            return
        model, _ = base_models.load_language_model(self._encoder, self.machine)
        # Once for all instead of at every product, as autocast would: the weights are read, never trained.
        dtype = torch.bfloat16 if self.machine.bf16 else torch.float32
        self._model = model.eval().to(self.machine.device, dtype)
        with torch.inference_mode():
            if self._prefix:
                self._cache = self._run([self._prefix], None, 1)[1]

    def _run(self, rows: list[list[int]], cache: Any, keep_last: int) -> tuple[Any, Any]:
        import torch

        done = self._model(torch.tensor(rows, device=self.machine.device), past_key_values=cache, use_cache=True, logits_to_keep=keep_last)
        return done.logits, done.past_key_values

    def _answer(self, questions: list[Question]) -> list[Response]:
        """Returns the responses to the questions about one text, which share what they have in common."""
        space = "" if self.tokenizer.chat_template else " "
        prompts = [self.tokens(question) for question in questions]
        answers = [[self.tokenizer(space + answer, add_special_tokens=False)["input_ids"] for answer in question.answers] for question in questions]
        longest = max(len(prompt) + len(answer) for prompt, group in zip(prompts, answers, strict=True) for answer in group)
        places = getattr(self._model.config, "max_position_embeddings", None)
        if places and longest > places:
            raise UserError(
                f"a prompt with its answer has {longest} tokens, but the model in {at(self.folder)} reads at most {places}. "
                "Shorten the guideline, show fewer examples (shots), or lower max_characters (prompts in params.yaml)."
            )
        several = any(len(answer) > 1 for group in answers for answer in group)
        rows = [(number, answer) for number, group in enumerate(answers) for answer in (group if several else group[:1])]
        start, cache = self._from_cache(_shared(prompts) if len(rows) > 1 else prompts[0])
        if len(rows) > 1:
            # The last shared token goes with each row, so that every row has one from which to guess on.
            shared = len(_shared(prompts)) - 1
            if shared > start:
                _, cache = self._run([prompts[0][start:shared]], cache, 1)
                start = shared
            if cache is not None:
                cache.batch_repeat_interleave(len(rows))
        tails = [prompts[number][start:] + (answer[:-1] if several else []) for number, answer in rows]
        width = max(map(len, tails))
        # Padded behind, where a causal model's own tokens never look.
        logits, _ = self._run([tail + [0] * (width - len(tail)) for tail in tails], cache, 0 if len(rows) > 1 else 1)
        guesses = logits.float().log_softmax(-1)
        found: list[list[float]] = [[] for _ in questions]
        for row, (number, answer) in enumerate(rows):
            begin = len(prompts[number]) - start - 1 if len(rows) > 1 else 0
            if several:
                found[number].append(sum(guesses[row, begin + step, token].item() for step, token in enumerate(answer)))
            else:
                found[number] = [guesses[row, begin, one[0]].item() for one in answers[number]]
        read = len(prompts[0]) + sum(map(len, prompts[1:]))
        return [{"answers": [round(value, 6) for value in values], "usage": [read if number == 0 else 0, 0]} for number, values in enumerate(found)]

    def _from_cache(self, sequence: list[int]) -> tuple[int, Any]:
        """Returns (how many of the first tokens are known, a copy of what the model made of them)."""
        if self._cache is None:
            return 0, None
        known = min(len(_shared([self._prefix, sequence])), len(sequence) - 1)
        cache = copy.deepcopy(self._cache)
        if known < len(self._prefix):
            cache.crop(known)
        return known, cache


def _shared(sequences: list[list[int]]) -> list[int]:
    """Returns what all sequences begin with."""
    first, last = min(sequences), max(sequences)
    length = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length]


def control_tokens(tokenizer: Any) -> tuple[list[str], set[int]]:
    """Returns (the control tokens as they are written, longest first; their numbers): those that steer a model, and are no words.

    Many tokenizers name only some of them as special; the others stand among the added tokens.
    """
    named = {token: number for token, number in zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True)}
    added = {
        str(token): number for number, token in tokenizer.added_tokens_decoder.items() if token.special or re.fullmatch(r"[<\[].*[>\]]", str(token))
    }
    found = {token: number for token, number in (added | named).items() if token.strip()}
    return sorted(found, key=lambda token: (-len(token), token)), set(found.values()) - {tokenizer.unk_token_id}


def plain(text: str, tokenizer: Any, control: list[str], numbers: set[int]) -> str:
    """Returns a message without anything that the tokenizer would make a control token of: a text must not end its own turn."""
    text = _without(text, control)
    if numbers & set(tokenizer(text, add_special_tokens=False)["input_ids"]):
        # A tokenizer that folds characters before it looks for them finds them in other spellings, too.
        text = _without(unicodedata.normalize("NFKC", text).lower(), [*control, *map(str.lower, control)])
    return text


def _without(text: str, special: list[str]) -> str:
    """Returns `text` without the model's control tokens: a text must not end its own turn."""
    for token in special:
        text = text.replace(token, " ")
    return text
