"""Who speaks to a DIMSE door, who may, and what the door asks of the site behind it."""

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from aegle.config import Peer


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who is at the other end of an association."""

    ae_title: str
    address: str


class News(StrEnum):
    """What a door tells about an association."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    ECHO = "echo"
    NOT_TAKEN = "not taken"  #: an object that did not come in whole, or could not be written


Receive = Callable[[Path, Sender], None]
"""Takes over a received Part 10 file, durable on return; an AegleError becomes the C-STORE status of its `MEANING`."""
Notice = Callable[[News, Sender, str], None]
"""Called with the news, the sender, and a reason code unless all is well. An association is made, and an echo answered,
only when this returns."""


def is_allowed(sender: Sender, allow: Iterable[Peer]) -> bool:
    """Whether a listed peer has this AE title and this source address."""
    address = ipaddress.ip_address(sender.address)
    return any(
        peer.ae_title == sender.ae_title and address in ipaddress.ip_network(peer.address, strict=False)
        for peer in allow
    )
