"""Every test here runs the real terraform binary on a pretended cloud."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import estates
from infra.cloud import VERSIONS, Cloud, open_cloud


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "cloud" in getattr(item, "fixturenames", ()) or "applied" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.peer("terraform"))


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """An empty cloud, on the newest providers."""
    with open_cloud(tmp_path) as opened:
        yield opened


@pytest.fixture(params=VERSIONS)
def any_cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cloud]:
    """An empty cloud, on the providers at either end of the range."""
    with open_cloud(tmp_path, request.param) as opened:
        yield opened


@pytest.fixture(scope="session")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud in which both roots were applied; for reading only."""
    with open_cloud(tmp_path_factory.mktemp("applied")) as opened:
        foundation = opened.root("foundation")
        opened.apply(foundation, estates.FOUNDATION)
        opened.apply(opened.root("platform"), estates.platform(**foundation.outputs()["estate"]))
        yield opened
