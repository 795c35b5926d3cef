"""What a caller wants most, of what we offer."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegle.errors import BadMessage, NotAcceptable
from aegle.protocols.accept import Offer, choose

RLE = "1.2.840.10008.1.2.5"
MANY = Offer(media_type="application/dicom", multipart=True, transfer_syntax=RLE)
ONE = Offer(media_type="application/dicom", transfer_syntax=RLE)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("", MANY),
        ("*/*", MANY),
        ("application/dicom", ONE),
        ("application/*", ONE),
        ('multipart/related; type="application/dicom"', MANY),
        ("multipart/related", MANY),
        ("multipart/related; type=application/dicom;q=0.3, application/dicom;q=0.8", ONE),
        ('multipart/related; type="application/dicom"; transfer-syntax=*', MANY),
        (f"application/dicom; transfer-syntax={RLE}", ONE),
        ("application/dicom; transfer-syntax=1.2.840.10008.1.2.1, application/dicom;transfer-syntax=*;q=0.1", ONE),
        ("*/*;q=0.1, application/dicom", ONE),
        ("application/dicom;q=0, */*", MANY),
    ],
)
def test_the_form_with_the_highest_quality_is_chosen(header: str, wanted: Offer) -> None:
    assert choose(header, [MANY, ONE]) == wanted


@pytest.mark.parametrize(
    "header",
    ["text/html", "application/dicom;q=0", "application/dicom; transfer-syntax=1.2.840.10008.1.2.1", "image/*"],
)
def test_a_form_that_is_not_offered_is_refused(header: str) -> None:
    with pytest.raises(NotAcceptable):
        choose(header, [ONE])


@given(st.text(max_size=300) | st.text(alphabet='*/;,="qtype. 01', max_size=300))
def test_no_header_breaks_it(header: str) -> None:
    with contextlib.suppress(NotAcceptable, BadMessage):
        assert choose(header, [MANY, ONE]) in (MANY, ONE)
