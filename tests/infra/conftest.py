"""Every test here runs the real terraform binary on a pretended cloud."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
