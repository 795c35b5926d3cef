"""The reference bundle and one running model process for all tests of this room."""

from collections.abc import Iterator

import pytest
from reference import BUNDLES

from aegle.inference.bundle import Bundle, load
from aegle.inference.process import ModelProcess
from aegle.records import OperatingPoint


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return load(BUNDLES / "papnet-1.0.0", signer=(BUNDLES / "papnet.pub").read_bytes())


@pytest.fixture(scope="session")
def process(bundle: Bundle) -> Iterator[ModelProcess]:
    with ModelProcess(bundle.model, bundle.card) as running:
        yield running


@pytest.fixture(scope="session")
def point(bundle: Bundle) -> OperatingPoint:
    return OperatingPoint(threshold=bundle.card.operating_point.threshold, policy="bundle-default")
