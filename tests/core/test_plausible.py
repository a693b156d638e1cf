"""Absurd prices are doubted, true ones are not, whatever comes between them."""

from hypothesis import given
from hypothesis import strategies as st

from puna.core.plausible import FACTOR, MEMORY, PERSISTS, Plausibility

SECOND = 1_000_000_000
PRICES = st.floats(0.01, 10_000)


def test_a_hundredfold_price_is_doubted_and_changes_nothing() -> None:
    """Up or down, also when it comes again at once; the next honest price is believed."""
    judge = Plausibility()
    assert judge.believes("AAPL", 0, 100.0)
    for second, price in enumerate((10_000.0, 1.0, 10_000.0, 1.0), 1):
        assert not judge.believes("AAPL", second * SECOND, price)
    assert judge.believes("AAPL", 5 * SECOND, 99.0)
    assert not judge.believes("AAPL", 6 * SECOND, 10_000.0)


def test_a_price_that_stays_was_true() -> None:
    """A crash to a twentieth is believed after half a minute, and from then on is what is known."""
    judge = Plausibility()
    assert judge.believes("X", 0, 100.0)
    told = [judge.believes("X", second * SECOND, 5.0 + second / 100) for second in range(1, 40)]
    assert told == [second >= 31 for second in range(1, 40)]
    assert PERSISTS == 30 * SECOND
    assert not judge.believes("X", 41 * SECOND, 100.0)


def test_after_a_night_anything_may_be() -> None:
    """A reverse split of twenty for one between two sessions; and symbols do not mix."""
    judge = Plausibility(lambda symbol: symbol != "FREE")
    assert judge.believes("X", 0, 2.0)
    assert judge.believes("Y", 0, 400.0)
    assert judge.believes("X", MEMORY + 1, 40.0)
    assert judge.believes("FREE", 0, 1.0)
    assert judge.believes("FREE", 1, 1_000.0)


@given(st.lists(st.tuples(st.integers(1, 600), st.floats(0.12, 8.0)), min_size=1, max_size=50), PRICES)
def test_whatever_moves_less_than_tenfold_is_believed(steps: list[tuple[int, float]], price: float) -> None:
    """Every walk whose steps are smaller than the factor is believed throughout."""
    judge, now = Plausibility(), 0
    assert judge.believes("X", now, price)
    for seconds, factor in steps:
        now, price = now + seconds * SECOND, price * factor
        assert judge.believes("X", now, price)


@given(PRICES, st.floats(FACTOR * 1.01, 1e6), st.booleans())
def test_a_single_absurd_price_never_gets_in(price: float, factor: float, up: bool) -> None:
    """Whatever the price: one mistake between two honest ones changes nothing."""
    judge = Plausibility()
    assert judge.believes("X", 0, price)
    assert not judge.believes("X", SECOND, price * factor if up else price / factor)
    assert judge.believes("X", 2 * SECOND, price)
