"""Every test here runs the real terraform binary on a pretended cloud."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import kept
from infra.cloud import VERSIONS, Cloud, open_cloud


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


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud with the hub and one hospital (`kept.small`)."""
    with kept.small().open(tmp_path) as opened:
        yield opened


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud with both roots and one site of each kind (`kept.whole`)."""
    with kept.whole().open(tmp_path) as opened:
        yield opened
