"""What `deploy/` holds is right: every metric exists, tools accept their files, alerts fire on faults and only then."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from puna.config import load
from puna.services.metrics import CATALOGUE, PREFIX

DEPLOY = Path(__file__).parents[2] / "deploy"
NAMES = ("market-data", "risk", "execution", "signals")
_METRIC = re.compile(rf"\b{PREFIX}[a-z_]+\b")
_STRINGS = {"type": "array", "items": {"type": "string"}}
_QUANTITY = {"type": "string", "pattern": "^[0-9]+(m|Mi|Gi)?$"}


def tool(name: str) -> str:
    """The path of a tool; the test is skipped where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed here; .ci/run installs it where there is apt-get")
    return found


def run(*command: str, cwd: Path = DEPLOY) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def written(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def known() -> set[str]:
    """Every name that a scrape can have."""
    names = set()
    for metric in CATALOGUE:
        name = PREFIX + metric.name
        endings = {"gauge": [""], "counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}[metric.kind]
        names |= {name + ending for ending in endings}
    return names


def expressions() -> Iterator[tuple[str, str]]:
    """Every PromQL expression, and where it stands."""
    for panel in json.loads((DEPLOY / "grafana/puna.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield f"dashboard: {panel['title']}", target["expr"]
    for rule in rules():
        yield f"rule: {rule['alert']}", rule["expr"]


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = written("prometheus/rules.yaml")["groups"][0]["rules"]
    return found


def test_every_metric_that_is_named_exists() -> None:
    """Dashboard, rules and their tests name only what /metrics has, with the ending that it has there."""
    missing = {f"{where}: {name}" for where, expr in expressions() for name in set(_METRIC.findall(expr)) - known()}
    assert missing == set()
    tests = (DEPLOY / "prometheus/rules.test.yaml").read_text()
    assert set(_METRIC.findall(tests)) <= known()
    assert len(list(expressions())) > 50


def test_every_metric_is_looked_at_by_somebody() -> None:
    """What is measured stands on the dashboard or in a rule."""
    looked_at = {name for _, expr in expressions() for name in _METRIC.findall(expr)}
    idle = [metric.name for metric in CATALOGUE if not any(name.startswith(PREFIX + metric.name) for name in looked_at)]
    assert idle == []


def test_every_alert_says_what_has_happened_and_is_tried() -> None:
    """A severity, a summary, the safe state the system moved to; and a test in which it fires."""
    tests = (DEPLOY / "prometheus/rules.test.yaml").read_text()
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "warn")
        assert set(rule["annotations"]) == {"summary", "state"}
        assert f'alertname="{rule["alert"]}"' in tests, rule["alert"]


def test_prometheus_accepts_its_files() -> None:
    """Promtool checks configuration and rules."""
    promtool = tool("promtool")
    assert "rules found" in run(promtool, "check", "rules", "prometheus/rules.yaml")
    run(promtool, "check", "config", "prometheus/prometheus.yaml")


def test_alerts_fire_on_their_faults(tmp_path: Path) -> None:
    """The tests of the rules pass, and they fail when an alert is taken away, so they do test something."""
    promtool = tool("promtool")
    run(promtool, "test", "rules", "rules.test.yaml", cwd=DEPLOY / "prometheus")
    shutil.copy(DEPLOY / "prometheus/rules.test.yaml", tmp_path)
    for gone in ("MarketDataMute", "SlowOrders"):
        kept = [rule for rule in rules() if rule["alert"] != gone]
        (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "puna", "rules": kept}]}))
        command = [promtool, "test", "rules", "rules.test.yaml"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode != 0, f"nobody misses {gone}"


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """systemd-analyze verify has nothing to say about any of the four, with the drop-ins of those with keys."""
    analyze = tool("systemd-analyze")
    program = tmp_path / "puna"
    program.write_text("#!/bin/sh\n# stands for the installed command\n")
    program.chmod(0o755)
    shutil.copytree(DEPLOY / "systemd", tmp_path / "units")
    unit = tmp_path / "units" / "puna@.service"
    unit.write_text(unit.read_text().replace("/opt/puna/bin/puna", str(program)))
    for name in NAMES:
        done = subprocess.run(
            [analyze, "verify", "--man=no", f"{tmp_path}/units/puna@{name}.service", f"{tmp_path}/units/puna.target"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "puna" not in done.stderr, done.stderr
    keyed = {path.name.removeprefix("puna@").removesuffix(".service.d") for path in (DEPLOY / "systemd").glob("*.d")}
    assert keyed == {"execution", "market-data"}


COMPOSE = {
    "type": "object",
    "required": ["services"],
    "properties": {"name": {"type": "string"}, "services": {"type": "object"}, "volumes": {"type": "object"}},
    "patternProperties": {"^x-": {}},
    "additionalProperties": False,
}
CONTAINER = {
    "type": "object",
    "required": ["image", "restart"],
    "additionalProperties": False,
    "properties": {
        "image": {"type": "string"},
        "build": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"context": {"type": "string"}, "dockerfile": {"type": "string"}},
        },
        "command": _STRINGS,
        "network_mode": {"type": "string", "pattern": "^service:[a-z-]+$"},
        "restart": {"enum": ["unless-stopped"]},
        "read_only": {"type": "boolean"},
        "tmpfs": _STRINGS,
        "cap_drop": _STRINGS,
        "security_opt": _STRINGS,
        "stop_grace_period": {"type": "string", "pattern": "^[0-9]+s$"},
        "volumes": {"type": "array", "items": {"type": "string", "pattern": "^[^:]+:/[^:]+(:ro)?$"}},
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
        "depends_on": _STRINGS,
        "ports": {"type": "array", "items": {"type": "string", "pattern": r"^127\.0\.0\.1:[0-9]+:[0-9]+$"}},
    },
}


def test_compose_is_what_compose_takes() -> None:
    """Known keys and shapes; files that are mounted exist; ports only on loopback; all four components are there."""
    compose = written("compose.yaml")
    jsonschema.validate(compose, COMPOSE)
    for name, service in compose["services"].items():
        jsonschema.validate(service, CONTAINER)
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).exists(), f"{name}: {mount}"
        for other in service.get("depends_on", []):
            assert other in compose["services"]
    served = {tuple(each.get("command", [])[:2]) for each in compose["services"].values()}
    assert {("serve", name) for name in NAMES} <= served


PROBE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["periodSeconds", "timeoutSeconds", "failureThreshold"],
    "properties": {
        "exec": {"type": "object", "properties": {"command": _STRINGS}, "additionalProperties": False},
        "httpGet": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"path": {"type": "string"}, "port": {"type": "integer"}},
        },
        "periodSeconds": {"type": "integer"},
        "timeoutSeconds": {"type": "integer"},
        "failureThreshold": {"type": "integer"},
    },
}
POD_CONTAINER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "image", "args", "startupProbe", "readinessProbe", "livenessProbe", "securityContext"],
    "properties": {
        "name": {"enum": list(NAMES)},
        "image": {"type": "string"},
        "args": _STRINGS,
        "ports": {"type": "array"},
        "env": {"type": "array", "items": {"type": "object", "required": ["name", "value"]}},
        "startupProbe": PROBE,
        "readinessProbe": PROBE,
        "livenessProbe": PROBE,
        "resources": {
            "type": "object",
            "additionalProperties": {"type": "object", "additionalProperties": _QUANTITY},
        },
        "securityContext": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "allowPrivilegeEscalation": {"const": False},
                "readOnlyRootFilesystem": {"const": True},
                "capabilities": {"const": {"drop": ["ALL"]}},
            },
        },
        "volumeMounts": {"type": "array", "items": {"type": "object", "required": ["name", "mountPath"]}},
    },
}


def test_manifests_have_the_shapes_and_probes_that_they_need(tmp_path: Path) -> None:
    """One replica, recreated; containers hardened; readiness asks /ready, liveness only /live; keys where needed."""
    documents = {each["kind"]: each for each in yaml.safe_load_all((DEPLOY / "kubernetes/puna.yaml").read_text())}
    assert set(documents) == {"ConfigMap", "PersistentVolumeClaim", "Deployment", "NetworkPolicy"}
    assert {each["metadata"]["name"] for each in documents.values()} == {"puna"}
    spec = documents["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    pod = spec["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    volumes = {each["name"] for each in pod["volumes"]}
    for container in pod["containers"]:
        jsonschema.validate(container, POD_CONTAINER)
        assert container["args"][:2] == ["serve", container["name"]]
        assert "/ready" in container["readinessProbe"]["exec"]["command"][2]
        assert container["livenessProbe"]["httpGet"]["path"] == "/live"
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        keyed = any(each["name"].startswith("ALPACA") for each in container.get("env", []))
        assert keyed == (container["name"] in ("execution", "market-data"))
    assert {each["name"] for each in pod["containers"]} == set(NAMES)
    (tmp_path / "puna.toml").write_text(documents["ConfigMap"]["data"]["puna.toml"])
    assert load(tmp_path / "puna.toml", environ={}).services.profile == "production"


def test_configurations_load() -> None:
    """deploy/puna.toml and the example of the services are configurations."""
    assert load(DEPLOY / "puna.toml", environ={}).model
    assert load(DEPLOY.parent / "examples" / "services.toml", environ={}).model
