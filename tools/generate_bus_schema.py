"""Writes docs/bus.schema.json, the JSON Schema of the bus messages, from puna/bus/messages.py."""

import json
from pathlib import Path

from puna.bus.messages import json_schema

TARGET = Path(__file__).parents[1] / "docs" / "bus.schema.json"

if __name__ == "__main__":
    TARGET.write_text(json.dumps(json_schema(), indent=2, sort_keys=True) + "\n")
    print(f"wrote {TARGET.name}")
