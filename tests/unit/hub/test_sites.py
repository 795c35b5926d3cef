"""Enrolment, credentials and policies of sites; the registry of bundles."""

import dataclasses

import pytest
from hubworld import ARCHIVE, BUNDLE

from aegle.errors import BadMessage, Conflict, NotFound, Unauthenticated
from aegle.hub import bundles, sites
from aegle.hub.database import Database
from aegle.records import BundleRef, OperatingPoint, SiteKind

ANNA = sites.Enrolment(kind=SiteKind.HOSPITAL, archive_url=ARCHIVE.format("st-anna"))


def force(database: Database, name: str) -> tuple[BundleRef, OperatingPoint]:
    with database.transaction() as transaction:
        found = sites.in_force(transaction, name)
    assert found is not None
    return found


def revision(database: Database, name: str) -> int:
    return next(site.policy_revision for site in sites.list_sites(database) if site.name == name)


def test_enrolling_again_unchanged_makes_no_new_revision(database: Database) -> None:
    sites.enroll(database, "st-anna", ANNA)
    assert revision(database, "st-anna") == 1
    sites.enroll(database, "st-anna", dataclasses.replace(ANNA, operating_point=0.25))
    assert revision(database, "st-anna") == 2
    assert force(database, "st-anna")[1] == OperatingPoint(threshold=0.25, policy="st-anna/2")
    assert force(database, "st-berta")[1] == OperatingPoint(threshold=BUNDLE.threshold, policy="bundle-default")


def test_a_hospital_never_becomes_a_laboratory(database: Database) -> None:
    with pytest.raises(Conflict):
        sites.enroll(database, "st-anna", dataclasses.replace(ANNA, kind=SiteKind.LAB, archive_url="http://elsewhere/"))
    assert {site.archive_url for site in sites.list_sites(database) if site.name == "st-anna"} == {ANNA.archive_url}


@pytest.mark.parametrize("name", ["hub", "operator", "St-Anna", "a", "st.anna", "x" * 32, "", "st_anna", "st-anna\n"])
def test_a_name_that_could_be_mistaken_is_refused(database: Database, name: str) -> None:
    with pytest.raises(BadMessage):
        sites.enroll(database, name, ANNA)


@pytest.mark.parametrize(
    "url", ["", "ftp://x/", "http://", "http://user:pw@host/", "http://host/?q=1", "file:///etc/passwd", "http://h/#f"]
)
def test_an_archive_address_that_is_none_is_refused(database: Database, url: str) -> None:
    with pytest.raises(BadMessage):
        sites.enroll(database, "st-anna", dataclasses.replace(ANNA, archive_url=url))


@pytest.mark.parametrize("point", [0.0, 1.0, -1.0, float("nan"), float("inf")])
def test_a_threshold_outside_the_scores_is_refused(database: Database, point: float) -> None:
    with pytest.raises(BadMessage):
        sites.enroll(database, "st-anna", dataclasses.replace(ANNA, operating_point=point))


def test_a_rotated_credential_leaves_the_one_before_it_for_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (sites.rotate_credential(database, "st-anna") for _ in range(2))
    assert sites.authenticate(database, "st-anna", first) == sites.authenticate(database, "st-anna", second)
    monkeypatch.setattr(sites, "CREDENTIAL_GRACE_S", -1)
    with pytest.raises(Unauthenticated):
        sites.authenticate(database, "st-anna", first)
    sites.authenticate(database, "st-anna", second)


def test_a_second_rotation_ends_the_oldest_credential(database: Database) -> None:
    secrets = [sites.rotate_credential(database, "st-anna") for _ in range(3)]
    with pytest.raises(Unauthenticated):
        sites.authenticate(database, "st-anna", secrets[0])
    for secret in secrets[1:]:
        assert sites.authenticate(database, "st-anna", secret).name == "st-anna"


@pytest.mark.parametrize("secret", ["", "x", "é" * 40, "\x00"])
def test_a_site_without_a_credential_lets_nobody_in(database: Database, secret: str) -> None:
    for name in ("st-anna", "nobody"):
        with pytest.raises(Unauthenticated):
            sites.authenticate(database, name, secret)


def test_the_latest_promoted_bundle_reads_for_sites_without_a_pin(database: Database) -> None:
    newer = dataclasses.replace(BUNDLE, version="1.1.0", digest="c" * 64, threshold=0.6)
    sites.pin_bundle(database, "st-anna", BUNDLE.digest)
    bundles.register(database, newer)
    assert force(database, "st-anna")[0].digest == BUNDLE.digest
    assert force(database, "st-berta")[0].digest == newer.digest
    assert force(database, "st-berta")[1].threshold == 0.6
    bundles.register(database, BUNDLE)
    assert force(database, "st-berta")[0].digest == BUNDLE.digest


def test_registering_again_changes_nothing(database: Database) -> None:
    before = bundles.list_bundles(database)
    bundles.register(database, BUNDLE)
    assert bundles.list_bundles(database) == before


def test_a_version_names_the_same_bytes_for_ever(database: Database) -> None:
    with pytest.raises(Conflict):
        bundles.register(database, dataclasses.replace(BUNDLE, digest="d" * 64))
    with pytest.raises(Conflict):
        bundles.register(database, dataclasses.replace(BUNDLE, threshold=0.5))


def test_only_known_bundles_and_sites_can_be_pinned(database: Database) -> None:
    with pytest.raises(NotFound):
        sites.pin_bundle(database, "st-anna", "e" * 64)
    with pytest.raises(NotFound):
        sites.pin_bundle(database, "nobody", BUNDLE.digest)
    with pytest.raises(NotFound):
        sites.rotate_credential(database, "nobody")
