"""Every operation of Alpaca's two specifications has a call or a reason why not, and every call is what it says.

The specifications are read from `../shared` beside the repository; those tests are skipped where that is absent.
"""

import importlib.util
import inspect
import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote

import pytest

from puna.alpaca.events import Events
from puna.alpaca.operations import LEFT_OUT, Operation, operations
from puna.alpaca.request import Paged, Request

ROOT = Path(__file__).parents[2]
SPECIFICATIONS = ROOT.parent / "shared" / "alpaca" / "openapi"
OPERATIONS = operations()
with_specifications = pytest.mark.skipif(
    not SPECIFICATIONS.is_dir(), reason="../shared/alpaca/openapi is not beside this repository"
)


def tool() -> ModuleType:
    """tools/write_api_table.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("write_api_table", ROOT / "tools" / "write_api_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = tool()


def specified() -> Iterator[tuple[str, str, str, list[dict[str, Any]]]]:
    """(operation id, method, path, parameters) of both specifications."""
    for file in ("trading-api.json", "market-data-api.json"):
        document = json.loads((SPECIFICATIONS / file).read_text())
        for path, methods in document["paths"].items():
            shared = methods.get("parameters", [])
            for method, operation in methods.items():
                if method != "parameters":
                    found = [resolved(document, each) for each in [*shared, *operation.get("parameters", [])]]
                    yield operation["operationId"], method.upper(), path, found


def resolved(document: dict[str, Any], each: dict[str, Any]) -> dict[str, Any]:
    """The parameter itself where there is a reference to it."""
    found: Any = document
    for step in each.get("$ref", "#").split("/")[1:]:
        found = found[step]
    return found if "$ref" in each else each


@with_specifications
def test_no_operation_is_missing() -> None:
    """A call or a reason for each, never both, and no call for what the specifications do not have."""
    routes = {each: (method, path) for each, method, path, _ in specified()}
    assert len(routes) == 102
    assert routes.keys() == OPERATIONS.keys() | LEFT_OUT.keys()
    assert not OPERATIONS.keys() & LEFT_OUT.keys()
    assert {name: (each.method, each.path) for name, each in OPERATIONS.items()} == {
        name: routes[name] for name in OPERATIONS
    }


@with_specifications
def test_every_query_parameter_can_be_given() -> None:
    """A call takes each parameter of its operation, and puts it into the query under the specification's name."""
    missing = []
    for name, _, _, parameters in specified():
        for parameter in parameters if name in OPERATIONS else ():
            if parameter["in"] == "query" and parameter["name"] != "page_token":
                found = given(OPERATIONS[name], parameter["name"])
                if found is None or not re.search(rf"[?&]{parameter['name']}=[^&]", found):
                    missing.append(f"{name}: {parameter['name']}")
    assert missing == []


ALIASES = {
    ("get_activities", "activity_types"): "types",
    ("get_corporate_action_events", "type"): "types",
}
VALUES: dict[str, Any] = {
    **dict.fromkeys(("start", "end", "since", "until", "date", "time", "updated_since", "after"), date(2026, 3, 2)),
    **dict.fromkeys(("strike_price_gte", "strike_price_lte", "qty", "percentage"), Decimal("1.5")),
    **dict.fromkeys(("limit", "page_size", "top"), 7),
    **dict.fromkeys(("nested", "cancel_orders", "placeholder", "extended_hours"), True),
    **dict.fromkeys(("expiration_date", "expiration_date_gte", "expiration_date_lte"), date(2026, 3, 20)),
}


def given(each: Operation, parameter: str) -> str | None:
    """The target of the call with that parameter; None when the call does not take it."""
    name = ALIASES.get((each.call.__name__, parameter), parameter)
    taken = inspect.signature(each.call).parameters
    if name not in taken:
        return None
    value = VALUES.get(name, ["a"] if "Iterable" in str(taken[name].annotation) else "a")
    if each.call.__name__ == "get_orders" and name in ("after", "until"):
        value = 1_772_000_000_000_000_000
    more: dict[str, Any] = {}
    if is_feed(each) and name.startswith("until"):
        more = {name.replace("until", "since"): VALUES.get(name, "a")}
    return target_of(TOOL.sample(each, **{name: value, **more}))


def is_feed(each: Operation) -> bool:
    return each.call.__module__ == "puna.alpaca.events"


def target_of(value: Any) -> str:
    """Path and query of the first request."""
    if isinstance(value, Events):
        return value.target()
    request = value.page(None) if isinstance(value, Paged) else value
    assert isinstance(request, Request)
    return request.target


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_call_goes_where_it_says(name: str) -> None:
    """Method and path of the value are those that it is registered with; what only reads may be repeated."""
    each = OPERATIONS[name]
    value = TOOL.sample(each)
    request = value.page(None) if isinstance(value, Paged) else value
    pattern = re.sub(r"\\{[a-z_]+\\}", "[^/?]+", re.escape(each.path))
    assert re.fullmatch(pattern, unquote(target_of(value).partition("?")[0]))
    if isinstance(request, Request):
        assert request.method == each.method
        assert request.repeatable or each.method != "GET"
        assert (request.api == "data") == each.path.startswith(DATA)
        assert (request.body is not None) == (each.method in ("POST", "PUT", "PATCH") and "exercise" not in each.path)


DATA = ("/v2/stocks", "/v1beta1/", "/v1beta3/", "/v1/corporate-actions")


def test_money_cannot_leave_the_account() -> None:
    """There is no call for wallets, transfers, bank relationships or journals."""
    assert not [each.path for each in OPERATIONS.values() if re.search("wallet|transfer|bank|ach|journal", each.path)]


def test_the_table_of_calls_is_up_to_date() -> None:
    """docs/api.md is what tools/write_api_table.py writes."""
    assert TOOL.TARGET.read_text() == TOOL.render()
