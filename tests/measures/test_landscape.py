"""The map of the pool: the same vectors give the same picture, near texts are near, and words tell the groups apart."""

import numpy as np

from labelrounds.measures import landscape


def two_clouds(n: int = 60, d: int = 12, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    of = np.arange(n) % 2
    centres = draw.normal(size=(2, d)) * 5
    return centres[of] + draw.normal(size=(n, d)), of


def test_clouds_that_are_apart_are_apart_on_the_map() -> None:
    vectors, of = two_clouds()
    points = landscape.plane(vectors)
    assert points.shape == (60, 2) and np.abs(points).max() == 1
    middle = [points[of == number].mean(axis=0) for number in (0, 1)]
    assert np.linalg.norm(middle[0] - middle[1]) > 4 * max(points[of == number].std(axis=0).max() for number in (0, 1))


def test_the_map_is_never_mirrored() -> None:
    vectors, _ = two_clouds()
    points = landscape.plane(vectors)
    order = np.random.default_rng(0).permutation(len(vectors))
    assert np.allclose(landscape.plane(vectors[order]), points[order], atol=1e-9)
    assert np.array_equal(landscape.plane(vectors), points)


def test_few_texts_and_equal_texts_have_a_map_too() -> None:
    assert landscape.plane(np.zeros((0, 4))).shape == (0, 2)
    assert landscape.plane(np.ones((1, 4))).tolist() == [[0, 0]]
    assert landscape.plane(np.ones((5, 4))).tolist() == [[0, 0]] * 5
    assert landscape.plane(np.array([[1.0], [2.0]])).shape == (2, 2)
    assert landscape.groups(np.ones((3, 4)), 13).tolist() == [0, 0, 0]


def test_groups_are_the_clouds() -> None:
    vectors, of = two_clouds(n=2 * landscape.GROUP)
    found = landscape.groups(vectors, 13)
    assert set(zip(found.tolist(), of.tolist(), strict=True)) in ({(0, 0), (1, 1)}, {(0, 1), (1, 0)})


def test_the_least_sure_tenth_of_the_others_is_marked() -> None:
    confidence = np.linspace(0.1, 1, 22)
    queued = np.arange(22) < 2
    found = landscape.marks(confidence, queued)
    assert found[:2] == [landscape.QUEUED] * 2 and found[2:4] == [landscape.UNSURE] * 2 and set(found[4:]) == {""}


def test_typical_words_tell_a_group_from_the_others_without_a_list_of_stop_words() -> None:
    texts = ["the battery of the phone is dead"] * 5 + ["the battery is flat"] * 5 + ["the food of the place is cold"] * 10
    of = np.array([0] * 10 + [1] * 10)
    phone, food = landscape.typical(texts, of, 4)
    assert phone[0] == "battery" and "food" in food and "cold" in food
    assert not {"the", "is"} & {*phone, *food}


def test_where_texts_have_no_blanks_pairs_of_signs_stand_for_words() -> None:
    assert landscape.parts("这家餐厅的食物很好吃我们下次还会再来的")[:2] == ["这家", "家餐"]
    assert landscape.parts("Good food, 10 of 10!") == ["good", "food", "of"]
    assert landscape.typical([], np.zeros(0, dtype=int), 3) == []
