"""pynetdicom as this project uses it: set once, quiet, large objects on disk, small replies at once."""

import logging
import socket

from pynetdicom import _config, evt

_config.STORE_RECV_CHUNKED_DATASET = True
_config.STORE_SEND_CHUNKED_DATASET = True
_config.LOG_HANDLER_LEVEL = "none"
_config.ENFORCE_UID_CONFORMANCE = True
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # its messages quote what it handles


def without_delay(event: evt.Event) -> None:
    """Small replies must not wait for Nagle's algorithm."""
    wrapped = event.assoc.dul.socket
    if wrapped is not None and wrapped.socket is not None:
        wrapped.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
