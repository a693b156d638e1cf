"""A JSON schema of the configuration file, for editors: `puna config schema`."""

from decimal import Decimal
from typing import Any

import msgspec

from puna.config.amounts import show_amount
from puna.config.fields import Field, fields
from puna.config.model import NARROW_TEXTS, RISK_TEXTS, Document

__all__ = ["schema"]

_FORMS: dict[str, dict[str, Any]] = {
    "share": {"type": "string", "pattern": r"^[0-9]{1,6}(\.[0-9]{1,6})?\s*%$"},
    "percent": {"type": "string", "pattern": r"^[0-9]{1,6}(\.[0-9]{1,6})?\s*%$"},
    "money": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^[0-9][0-9_.]*(\s*USD)?$"}]},
    "number": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^[0-9][0-9_.]*$"}]},
}
_RISK = "RiskLimits"


def schema() -> dict[str, Any]:
    """The schema; amounts in the forms that people write."""
    made = msgspec.json.schema(Document)
    definitions = made["$defs"]
    homes = {
        "risk": _RISK,
        "risk.narrow[]": "Narrow",
        "sim": "SimSection",
        "strategy[]": "StrategySection",
        "model[]": "ModelSection",
        "services": "ServicesSection",
    }
    for found in fields(Document):
        table, _, name = found.key.rpartition(".")
        if found.unit:
            _write(definitions[homes[table]]["properties"], name, found)
    for section in definitions["Document"]["properties"].values():
        section.pop("default", None)  # the keys have theirs
    properties = definitions[_RISK]["properties"]
    for name, text in RISK_TEXTS.items():
        properties[name]["description"] = text
    for key, text in NARROW_TEXTS.items():
        definitions["Narrow"]["properties"][key.removeprefix("narrow[].")]["description"] = text
    for name in [key.removesuffix("_value") for key in properties if key.endswith("_value")]:
        form = {"anyOf": [_FORMS["percent"], _FORMS["money"]]}
        properties[name] = form | {"description": f"Short for {name}_value, or with % for {name}_percent."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Puna configuration", **made}


def _write(properties: dict[str, Any], name: str, found: Field) -> None:
    """Replaces what msgspec says of a Decimal, keeping the sentence and the examples."""
    unit = found.unit or "number"
    kept = {key: value for key, value in properties[name].items() if key in ("description", "examples")}
    if isinstance(found.default, Decimal):
        kept["default"] = show_amount(found.default, unit)
    properties[name] = _FORMS[unit] | kept
