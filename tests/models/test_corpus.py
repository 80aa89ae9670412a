"""The corpus as a language model reads it."""

import random

import datasets

from labelrounds.models.corpus import TokenIds


def test_the_rows_of_a_batch_are_those_read_one_by_one() -> None:
    draw = random.Random(3)
    rows = [[draw.randrange(1000) for _ in range(draw.randint(3, 9))] for _ in range(40)]
    read = TokenIds(datasets.Dataset.from_dict({"input_ids": rows}).with_format("numpy", columns=["input_ids"]))
    for numbers in ([7, 3, 39, 3], [5], list(range(40))):
        assert read.many(numbers) == [read[number] for number in numbers] == [rows[number] for number in numbers]
