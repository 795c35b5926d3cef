"""`aegle send`: what stands in its way is said with what to do."""

from pathlib import Path

import pytest

from aegle.cli.sending import _target
from aegle.config import Door, Peer, SiteConfig, Tls
from aegle.errors import BadConfig
from aegle.local.home import AppliedSite
from aegle.records import SiteKind

PEM = Path("door.pem")
PEERS = (Peer(ae_title="SENDER"),)


def site(door: Door) -> AppliedSite:
    return AppliedSite(
        config=SiteConfig(kind=SiteKind.HOSPITAL, door=door), door_port=11112, archive_port=8001, pages_port=8002
    )


def test_a_door_that_lets_nobody_in_names_the_setting() -> None:
    with pytest.raises(BadConfig, match="allow"):
        _target(site(Door()), "st-anna", None)


def test_a_door_that_asks_for_a_certificate_names_another_program() -> None:
    door = Door(allow=PEERS, tls=Tls(certificate=PEM, key=PEM, authorities=PEM))
    with pytest.raises(BadConfig, match="storescu \\+tls"):
        _target(site(door), "st-anna", None)


def test_the_first_allowed_sender_is_the_caller() -> None:
    target = _target(site(Door(allow=PEERS)), "st-anna", None)
    assert (target.calling, target.called, target.port) == ("SENDER", "ST-ANNA", 11112)
