"""Every operation of both official specifications against the running exchange: no schema violation, no 5xx.

Requests are made by schemathesis from the specification; half of them get names of things that are there, so that more
than refusals is seen. Statuses that the specification lists are checked against its schemas. The trading API documents
nearly none of its refusals (facts.md 3), so any other 4xx will do if its body is an error's.
"""

from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from official import APIS, Deviations, operations, specification

schemathesis = pytest.importorskip("schemathesis")

HEADERS = {"APCA-API-KEY-ID": "KEY", "APCA-API-SECRET-KEY": "SECRET"}
ALL = [(api, method, path) for api in APIS for method, path in operations(api)]
SERVED = [each for each in ALL if not Deviations().leaves_out(each[2])]
LEFT_OUT = [each for each in ALL if Deviations().leaves_out(each[2])]
ENDLESS = "/events/"
SPAN = {"since": "2012-09-19T00:00:00Z", "until": "2012-09-19T12:00:00Z"}

pytestmark = pytest.mark.skipif(not ALL, reason="the official specifications are not here (PUNA_OPENAPI)")


@cache
def _schema(api: str) -> Any:
    found = specification(api)
    assert found is not None
    return schemathesis.openapi.from_dict(Deviations().laid_over(found))


def _try(subject: Any, api: str, method: str, path: str, examples: int) -> None:
    operation = _schema(api)[path][method]

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def trial(data: Any) -> None:
        case = data.draw(operation.as_strategy())
        if data.draw(st.booleans(), "meaningful"):
            _mean(case, subject.known, data)
        if ENDLESS in path:
            case.query = SPAN
        case.headers = {**(case.headers or {}), **HEADERS}
        _judge(case, operation, case.call(base_url=subject.url, session=subject.session, timeout=10))

    trial()


def _mean(case: Any, known: dict[str, list[str]], data: Any) -> None:
    """Puts in names of what there is."""
    for values in (case.path_parameters, case.query):
        for name in values or ():
            if name in known:
                values[name] = data.draw(st.sampled_from(known[name]), name)
    if isinstance(case.body, dict) and "symbol" in case.body:
        case.body["symbol"] = data.draw(st.sampled_from(known["symbol"]), "symbol of the body")


def _judge(case: Any, operation: Any, response: Any) -> None:
    checks = schemathesis.checks.CHECKS
    assert response.status_code < 500, (case.as_curl_command(), response.content)
    assert b"endpoint not found" not in response.content, case.as_curl_command()
    if str(response.status_code) in operation.definition.raw["responses"]:
        wanted = [checks.get_one(name) for name in ("content_type_conformance", "response_schema_conformance")]
        case.validate_response(response, checks=wanted)
    else:
        assert response.status_code >= 400, case.as_curl_command()
        assert "message" in response.json(), case.as_curl_command()


@pytest.mark.parametrize(("api", "method", "path"), SERVED)
def test_operations_keep_to_the_specification(subject: Any, api: str, method: str, path: str) -> None:
    """Whatever is asked, the answer has the shape that the specification promises."""
    _try(subject, api, method, path, 6)


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("api", "method", "path"), SERVED)
def test_operations_keep_to_the_specification_for_long(subject: Any, api: str, method: str, path: str) -> None:
    """The same, fifty times more."""
    _try(subject, api, method, path, 300)


@pytest.mark.parametrize(("api", "method", "path"), LEFT_OUT)
def test_what_is_left_out_is_not_there(subject: Any, api: str, method: str, path: str) -> None:
    """The list says the truth: nothing answers there."""
    with subject.session.request(method, subject.url + path.replace("{", "").replace("}", ""), timeout=10) as response:
        assert response.status_code == 404


@pytest.mark.parametrize(("api", "method", "path"), SERVED)
def test_what_is_not_left_out_is_there(subject: Any, api: str, method: str, path: str) -> None:
    """Every other operation has a route: no answer says that there is no such endpoint."""
    query = "?since=2012-09-19T00:00:00Z&until=2012-09-19T00:00:01Z" if ENDLESS in path else ""
    there = path.replace("{", "").replace("}", "")
    with subject.session.request(method, subject.url + there + query, timeout=10) as response:
        assert response.status_code != 405
        assert b"endpoint not found" not in response.content
