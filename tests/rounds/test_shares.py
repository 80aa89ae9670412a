"""How a first round's labels are shared out: enough to measure, and the rest to learn from."""

from hypothesis import given
from hypothesis import strategies as st

from labelrounds.rounds import shares
from tests.small import PROPERTY


@PROPERTY
@given(st.integers(1, 200_000), st.integers(1, 500), st.booleans())
def test_most_labels_teach_and_more_labels_never_take_texts_from_training(n: int, n_labels: int, multi_label: bool) -> None:
    found = shares.choose(n, n_labels, multi_label)
    assert 0 <= found.valid <= 0.2 and 0 < found.test <= 0.4 and found.valid + found.test < 1
    train = (1 - found.valid - found.test) * n
    assert train >= 0.4 * n
    assert found.test * n <= shares.MOST_TEST + 0.01 * n + 1, "never more than a thousand, but for the rounding of the share"
    more = shares.choose(n + 100, n_labels, multi_label)
    assert (1 - more.valid - more.test) * more.n >= train or n < shares.FEW <= n + 100


def test_what_a_team_brings_teaches() -> None:
    tweets = shares.choose(1500, 3, False)
    assert (tweets.valid, tweets.test) == (0.1, 0.2), "300 texts measure, 150 choose, 1,050 teach"
    assert "about 1050 will train, 150 choose and calibrate" in str(tweets) and "known to about 5 points" in str(tweets)
    assert shares.choose(100, 3, False).valid == 0, "few labels: none is spent on choosing an epoch"
    assert shares.choose(100, 3, True).valid == 0.2, "each label of many needs a threshold"
    many = shares.choose(10_000, 77, False)
    assert (many.valid, many.test) == (0.04, 0.08), "ten texts per label measure"
