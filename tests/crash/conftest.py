"""One exchange process and one zygote for all crash tests of a test process, and chunks of random trials."""

from collections.abc import Iterator

import pytest
from campaign import Campaign


@pytest.fixture(scope="session")
def campaign() -> Iterator[Campaign]:
    with Campaign() as made:
        yield made
