"""A weaker profile takes two people; a stricter one takes nobody."""

from pathlib import Path

import pytest

from aegle.deid import Option, default_profile, profile
from aegle.deid.agreement import Agreements
from aegle.deid.table import DEFAULT_OPTIONS
from aegle.errors import BadConfig, BadMessage, Conflict, Forbidden, NotFound

DEVICE = profile("scanner-study", DEFAULT_OPTIONS | {Option.DEVICE})


@pytest.fixture
def agreements(tmp_path: Path) -> Agreements:
    return Agreements(tmp_path / "agreements.json")


def test_the_default_and_stricter_need_nobody(agreements: Agreements) -> None:
    agreements.require(default_profile(), "st-anna")
    agreements.require(profile("strict", frozenset()), "st-anna")
    with pytest.raises(Conflict, match="needs nobody"):
        agreements.propose(default_profile(), "anna", "why not")


def test_a_weaker_profile_is_refused_until_another_person_agreed(agreements: Agreements, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"device.*aegle deid profile propose --site st-anna"):
        agreements.require(DEVICE, "st-anna")
    with pytest.raises(BadMessage, match="reason is empty"):
        agreements.propose(DEVICE, "anna", "  ")
    agreements.propose(DEVICE, "anna", "scanner study")
    with pytest.raises(BadConfig):
        agreements.require(DEVICE, "st-anna")
    with pytest.raises(Forbidden, match="another person"):
        agreements.agree(DEVICE.digest[:16], "anna")
    assert not agreements.holds(DEVICE)
    agreed = agreements.agree(DEVICE.digest[:16], "omar")
    assert (agreed.proposed_by, agreed.agreed_by, agreed.options) == (
        "anna",
        "omar",
        ("device", "modified_dates", "structured"),
    )
    Agreements(tmp_path / "agreements.json").require(DEVICE, "st-anna")


def test_an_agreement_is_to_these_rules_and_no_others(agreements: Agreements) -> None:
    agreements.propose(DEVICE, "anna", "scanner study")
    agreements.agree(DEVICE.digest, "omar")
    more = profile("scanner-study", DEVICE.options | {Option.INSTITUTION})
    assert not agreements.holds(more)
    with pytest.raises(Conflict, match="agreed before"):
        agreements.propose(DEVICE, "anna", "again")


def test_a_proposal_must_be_named_exactly(agreements: Agreements) -> None:
    agreements.propose(DEVICE, "anna", "scanner study")
    for digest in ("", DEVICE.digest[:4], "0" * 16):
        with pytest.raises(NotFound):
            agreements.agree(digest, "omar")
