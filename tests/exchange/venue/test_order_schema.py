"""Bodies of orders of every kind keep to the official schema, but for what the list of deviations says."""

from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from official import Deviations, specification

SPREAD = ("AAPL121019C00100000", "AAPL121019C00105000")


@pytest.fixture(scope="module")
def schema() -> Any:
    """Of an order, with the deviations laid over it."""
    found = specification("trading-api")
    if found is None:
        pytest.skip("the official specifications are not here (PUNA_OPENAPI)")
    laid = Deviations().laid_over(found)
    return {"$ref": "#/components/schemas/Order", "components": laid["components"]}


@pytest.fixture
def here(world: Any, make_asset: Any) -> Any:
    coin = make_asset("BTC/USD", asset_class="crypto", marginable=False, shortable=False)
    rows = [(0, each, 3.0, 3.1) for each in SPREAD] + [(0, "BTC/USD", 50_000.0, 50_010.0), (0, "AAPL", 99.98, 100.0)]
    w = world(*rows, assets=[make_asset("AAPL"), coin], contracts=dict.fromkeys(SPREAD, True))
    w.to(1)
    return w


ORDERS: list[dict[str, Any]] = [
    {},
    {"type": "limit", "limit_price": 90, "time_in_force": "gtc"},
    {"type": "stop_limit", "limit_price": 121, "stop_price": 120},
    {"type": "trailing_stop", "trail_percent": 5},
    {"qty": None, "notional": 100},
    {"order_class": "bracket", "take_profit": 110, "stop_loss": (90, 89)},
    {"order_class": "oto", "stop_loss": 90},
    {"time_in_force": "cls"},
    {"symbol": SPREAD[0]},
    {"symbol": "BTC/USD", "time_in_force": "gtc", "qty": Decimal("0.01")},
    {"order_class": "mleg", "limit_price": 2},
]


@pytest.mark.parametrize("asked", ORDERS)
def test_orders_keep_to_the_schema(here: Any, schema: Any, plain: Any, asked: dict[str, Any]) -> None:
    """The answer to the submit, and what is read later, nested and flat."""
    legs = (f"buy {SPREAD[0]}", f"sell {SPREAD[1]}")
    order = here.multileg(*legs, **asked) if asked.get("order_class") == "mleg" else here.order(**asked)
    checked = jsonschema.Draft202012Validator(schema)
    checked.validate(plain(order))
    here.to(2)
    for nested in (True, False):
        for each in here.venue.orders(status="all", nested=nested):
            checked.validate(plain(each))


def test_only_groups_have_group_keys(here: Any, plain: Any) -> None:
    """Omitted for all other orders (SPEC-T)."""
    simple, bracket = here.order(), here.order(order_class="oto", stop_loss=90)
    assert not {"group_id", "group_role"} & set(plain(simple))
    assert {"group_id", "group_role"} <= set(plain(bracket))
