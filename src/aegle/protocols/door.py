"""The DIMSE door: C-ECHO and C-STORE as SCP."""

import secrets
import ssl
from collections.abc import Sequence
from pathlib import Path

from aegle.config import Peer
from aegle.protocols.contexts import STORAGE_CLASSES, TRANSFER_SYNTAXES
from aegle.protocols.dialogue import Patience
from aegle.protocols.listener import Listener, Offer
from aegle.protocols.peers import Notice, Receive
from aegle.protocols.store_scp import Place, store_provider

SERVED = dict.fromkeys(STORAGE_CLASSES, TRANSFER_SYNTAXES)


class DimseDoor(Listener):
    """A Storage and Verification SCP."""

    def __init__(
        self,
        *,
        ae_title: str,
        address: tuple[str, int],
        allow: Sequence[Peer],
        folder: Path,
        receive: Receive,
        notice: Notice,
        limit: int = 16,
        most_bytes: int = 20_000_000_000,
        tls: ssl.SSLContext | None = None,
        patience: Patience | None = None,
        slot: Place | None = None,
    ) -> None:
        """`folder` takes data sets while they arrive; it must be on the spool's file system and as private as it. With `slot`
        they arrive in files that it names, and say who sent them."""
        place = slot or (lambda: folder / f"{secrets.token_hex(8)}.dcm")
        provide = store_provider(
            place=place, marks=slot is not None, most_bytes=most_bytes, receive=receive, notice=notice
        )
        super().__init__(
            Offer(provide=provide, served=SERVED, most_bytes=most_bytes),
            ae_title=ae_title,
            address=address,
            allow=allow,
            notice=notice,
            limit=limit,
            tls=tls,
            patience=patience,
        )
