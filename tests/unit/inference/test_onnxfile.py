"""Operator domains are read from hostile bytes too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegle.errors import BadBundle
from aegle.inference.bundle import Bundle
from aegle.inference.onnxfile import STANDARD_DOMAINS, operator_domains


def test_the_reference_model_needs_standard_operators_only(bundle: Bundle) -> None:
    assert operator_domains(bundle.model) <= STANDARD_DOMAINS


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused_or_named(content: bytes) -> None:
    try:
        domains = operator_domains(content)
    except BadBundle:
        return
    assert domains


def test_a_model_cut_short_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BadBundle):
        operator_domains(bundle.model[: len(bundle.model) // 2])
