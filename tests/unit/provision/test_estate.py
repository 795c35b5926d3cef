"""The Google part of aegle.yaml: ranges, and mistakes told before terraform starts."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegle.config import parse
from aegle.errors import BadConfig
from aegle.estate import Deploy, Google, next_cidr
from aegle.provision import inputs

GOOGLE = """\
target: gcp
google:
  prefix: cervix
  organisation: "123456789012"
  customer: C0abc123
  billing_account: 0A1B2C-3D4E5F-678901
  region: europe-west4
  mail: operators@example.org
  hub_name: hub.example.org
  deploy: {issuer: "https://ci.example.org", subject: main}
sites:
"""


def google(**choices: str) -> Google:
    return Google(
        prefix="cervix", organisation="1", customer="C0a", billing_account="0A1B2C-3D4E5F-678901", region="europe-west4",
        mail="a@example.org", hub_name="hub.example.org", deploy=Deploy(issuer="https://ci", subject="main"), **choices,
    )  # fmt: skip


def test_the_first_free_range_is_taken() -> None:
    assert next_cidr(google(), ()) == "10.64.0.0/26"
    assert next_cidr(google(), ("10.64.0.0/26", "10.64.0.128/26")) == "10.64.0.64/26"
    assert next_cidr(google(), ("10.64.0.32/28",)) == "10.64.0.64/26"
    assert next_cidr(google(sites_range="10.0.0.0/25"), ("10.0.0.0/26", "10.0.0.64/26")) is None


@given(st.lists(st.integers(0, 200), max_size=60))
def test_allocating_again_and_again_never_overlaps(taken: list[int]) -> None:
    used = {f"10.64.{number // 4}.{number % 4 * 64}/26" for number in taken}
    given_out = next_cidr(google(), tuple(used))
    assert given_out is not None and given_out not in used


@pytest.mark.parametrize(
    ("site", "words"),
    [
        ("  a-name-of-far-too-many-letters: {kind: lab, google: {cidr: 10.64.0.0/26}}", "20 letters at most"),
        ("  lab: {kind: lab}", "google.cidr"),
        ("  lab: {kind: lab, google: {cidr: 10.64.0.0/30}}", "16 addresses"),
        ("  lab: {kind: lab, google: {cidr: 10.64.0.0/26, pacs: {cidr: 10.9.0.0/24}}}", "pacs needs vpn"),
        ("  lab: {kind: lab, google: {cidr: 10.64.0.0/26, gateway: on_premises}}", "needs vpn and ca_file"),
        ("  lab: {kind: lab, google: {cidr: 10.64.0.0/26, operator: []}}", "did you mean 'operators'"),
        (
            "  lab: {kind: lab, google: {cidr: 10.64.0.0/26}}\n  two: {kind: lab, google: {cidr: 10.64.0.32/28}}",
            "overlaps that of lab",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(site: str, words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        parse(GOOGLE + site, Path("aegle.yaml"))


def test_a_target_without_its_block_is_refused() -> None:
    with pytest.raises(BadConfig, match="needs the block google"):
        parse("target: gcp\n", Path("aegle.yaml"))


@pytest.mark.parametrize(("days", "good"), [(-400, True), (89, True), (91, False)])
def test_a_migration_ends_within_ninety_days(days: int, good: bool) -> None:
    until = f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"
    assert google().migration_until is None
    if good:
        assert google(migration_until=until).migration_until == until
    else:
        with pytest.raises(ValueError, match="within 90 days"):
            google(migration_until=until)


BEHIND = """  st-anna:
    kind: hospital
    door: {allow: [{ae_title: PACS, address: 10.9.0.0/24}], stow: {port: 11180}}
    query: {port: 11113}
    pacs: {host: HOST, port: 104, ae_title: PACS}
    google: {cidr: 10.64.0.0/26, pacs: {cidr: 10.9.0.0/24, port: 104}, vpn: {peer: 203.0.113.9, asn: 64600}}
"""
MADE: dict[str, Any] = {"deploy": {"identity": "d"}, "estate": {}}


def told(text: str) -> dict[str, Any]:
    config = parse(GOOGLE + text, Path("aegle.yaml"))
    assert config.google is not None
    found: dict[str, Any] = json.loads(
        inputs.platform(config, config.google, MADE, Path())["sites"]["st-anna"]["settings"]
    )
    return found


def test_a_machine_is_told_what_its_block_says_of_its_programs() -> None:
    settings = told(BEHIND.replace("HOST", "10.9.0.4"))
    assert settings["door"] == {"allow": [{"ae_title": "PACS", "address": "10.9.0.0/24"}], "stow": {"port": 11180}}
    assert (settings["query"], settings["pacs"]["host"]) == ({"port": 11113}, "10.9.0.4")


@pytest.mark.parametrize("host", ["10.10.0.4", "pacs.st-anna.example"])
def test_results_go_only_where_the_firewall_lets_them(host: str) -> None:
    with pytest.raises(BadConfig, match="must open both"):
        told(BEHIND.replace("HOST", host))


def test_files_of_tls_do_not_travel_to_a_machine() -> None:
    tls = "{certificate: a.pem, key: a.key}"
    with pytest.raises(BadConfig, match="leave tls out"):
        told(BEHIND.replace("HOST", "10.9.0.4").replace("stow: {port: 11180}", f"stow: {{port: 11180, tls: {tls}}}"))
