"""This machine's identity on Google Cloud, where its libraries are."""

from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING

import httpx

from aegle.errors import BadConfig

if TYPE_CHECKING:
    from aegle import google


def require_google() -> None:
    """Raises BadConfig with the remedy where Google's libraries are not installed."""
    if find_spec("google") is None or find_spec("google.auth") is None or find_spec("google_crc32c") is None:
        raise BadConfig("this machine's part of Google Cloud needs its libraries: pip install 'aegle[gcp]'")


def google_session(stack: ExitStack) -> tuple["google.Session", httpx.Client]:
    """This machine calling Google's services, until the stack is closed. Raises BadConfig, Unauthenticated."""
    require_google()
    from aegle.google import Session, machine_credentials

    client = stack.enter_context(httpx.Client(timeout=60))
    return Session(machine_credentials(), client), client
