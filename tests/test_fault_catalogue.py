"""Every fault of tier 1 is in the table, and what the table names exists."""

import re
from pathlib import Path

import pytest
from catalogue import AGREE, CATALOGUE
from catalogue_rest import REST
from scenes import SCENES

TESTS = Path(__file__).parent
DESIGN = TESTS.parents[1] / "shared" / "design" / "reliability.md"
SECTIONS = ("NET", "PRO", "BRK")
MORE = ("CRA", "DAT", "TIM", "RES", "OPR", "SEC")
ROW = re.compile(r"^\| ([A-Z]{3}-\d{2}) \| 1 \|", re.MULTILINE)


@pytest.mark.skipif(not DESIGN.exists(), reason="../shared/design/reliability.md is not here")
def test_no_fault_of_tier_one_is_missing() -> None:
    """The tables have each ID of sections 1.1 to 1.9 that the catalogue marks tier 1, and no other."""
    asked = ROW.findall(DESIGN.read_text("utf-8"))
    assert len(asked) > 100
    assert {name.partition("-")[0] for name in asked} == {*SECTIONS, *MORE}
    assert set(CATALOGUE) == {name for name in asked if name.startswith(SECTIONS)}
    assert set(REST) == {name for name in asked if name.startswith(MORE)}


def test_every_fault_names_tests_that_exist() -> None:
    """At least one each; a test that is renamed has to be renamed here."""
    every = {**CATALOGUE, **REST}
    names = {(name, test) for name, proof in every.items() for test in proof.tests}
    assert {name for name, _ in names} == set(every)
    lost = [(name, test) for name, test in sorted(names) if not _exists(test)]
    assert lost == []


def test_every_scene_belongs_to_a_fault_of_the_table() -> None:
    """By the first word of its name."""
    assert {scene.partition(" ")[0] for scene in SCENES} == {
        name for name, proof in CATALOGUE.items() if AGREE in proof.tests
    }


def _exists(test: str) -> bool:
    file, _, name = test.partition("::")
    path = TESTS / file
    return (
        path.exists()
        and re.search(rf"^(async )?def {re.escape(name)}\(", path.read_text("utf-8"), re.MULTILINE) is not None
    )
