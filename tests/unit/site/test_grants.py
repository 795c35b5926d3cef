"""A grant opens one study of one site for a while, and nothing else."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from aegle.access import Act
from aegle.errors import Forbidden, Unauthenticated
from aegle.site import grants

KEY = bytes(32)
SOON = datetime.now(UTC) + timedelta(days=1)


def test_a_grant_opens_its_study() -> None:
    grants.admit(KEY, "st-anna", "2.25.1", grants.give(KEY, "st-anna", "2.25.1", SOON))


@pytest.mark.parametrize(("site", "study"), [("st-anna", "2.25.2"), ("st-berta", "2.25.1")])
def test_it_opens_no_other_study_and_no_other_site(site: str, study: str) -> None:
    with pytest.raises(Forbidden):
        grants.admit(KEY, site, study, grants.give(KEY, "st-anna", "2.25.1", SOON))


def test_it_ends() -> None:
    past = datetime.now(UTC) - timedelta(seconds=2)
    with pytest.raises(Unauthenticated, match="ended"):
        grants.admit(KEY, "st-anna", "2.25.1", grants.give(KEY, "st-anna", "2.25.1", past))


def test_another_key_or_a_changed_body_does_not_hold() -> None:
    given = grants.give(KEY, "st-anna", "2.25.1", SOON)
    forged = base64.urlsafe_b64encode(
        json.dumps({"site": "st-anna", "study": "2.25.2", "until": 9e9}).encode()
    ).decode()
    for grant in ("", ".", "x.y", given[:-1] + "0", f"{forged}.{given.partition('.')[2]}"):
        if grant != given:
            with pytest.raises(Unauthenticated):
                grants.admit(KEY, "st-anna", "2.25.1", grant)
    with pytest.raises(Unauthenticated):
        grants.admit(bytes(31) + b"\1", "st-anna", "2.25.1", given)


def test_a_grant_for_every_study_opens_each_of_them_and_the_whole() -> None:
    given = grants.give(KEY, "st-anna", grants.EVERY_STUDY, SOON)
    for study in ("2.25.1", "2.25.2", ""):
        grants.admit(KEY, "st-anna", study, given, Act.ARCHIVE_STUDY_FIND)
    with pytest.raises(Forbidden):
        grants.admit(KEY, "st-berta", "2.25.1", given)


@pytest.mark.parametrize("act", [Act.ARCHIVE_INSTANCE_STORE, Act.ARCHIVE_INSTANCE_DELETE])
def test_a_grant_permits_reading_unless_it_says_more(act: Act) -> None:
    for study in ("2.25.1", grants.EVERY_STUDY):
        with pytest.raises(Forbidden):
            grants.admit(KEY, "st-anna", "2.25.1", grants.give(KEY, "st-anna", study, SOON), act)
    grants.admit(KEY, "st-anna", "2.25.1", grants.give(KEY, "st-anna", "2.25.1", SOON, frozenset({act})), act)


def test_a_grant_for_one_study_does_not_open_the_whole() -> None:
    with pytest.raises(Forbidden):
        grants.admit(KEY, "st-anna", "", grants.give(KEY, "st-anna", "2.25.1", SOON))
