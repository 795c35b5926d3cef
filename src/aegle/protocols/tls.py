"""TLS as PS3.15 §B.12 wants it (BCP 195: RFC 8996, RFC 9325): 1.2 or 1.3, forward secrecy, certificates on both sides."""

import os
import ssl
import stat
from pathlib import Path
from typing import Any

from aegle.config import Https, Tls
from aegle.errors import BadConfig

#: RFC 9325 §4.2 for TLS 1.2; the suites of 1.3 are all fit. Nothing else is offered or taken.
CIPHERS = ":".join(
    f"ECDHE-{signature}-{cipher}"
    for cipher in ("AES256-GCM-SHA384", "AES128-GCM-SHA256")
    for signature in ("ECDSA", "RSA")
)
_SERVER = ssl.PROTOCOL_TLS_SERVER


def server_context(tls: Tls) -> ssl.SSLContext:
    """For a door: whoever calls shows a certificate of the named authorities. Raises BadConfig."""
    context = _context(tls, _SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(tls: Tls) -> ssl.SSLContext:
    """For a sender: we show our certificate, and the peer's must be of the named authorities and for its host name."""
    return _context(tls, ssl.PROTOCOL_TLS_CLIENT)


def https_settings(tls: Https) -> dict[str, Any]:
    """The same for an HTTP server of uvicorn's; certificates of callers only where authorities are named. Raises BadConfig."""
    _context(Tls(certificate=tls.certificate, key=tls.key, authorities=tls.authorities or tls.certificate), _SERVER)
    return {
        "ssl_certfile": str(tls.certificate),
        "ssl_keyfile": str(tls.key),
        "ssl_ca_certs": str(tls.authorities) if tls.authorities else None,
        "ssl_cert_reqs": ssl.CERT_REQUIRED if tls.authorities else ssl.CERT_NONE,
        "ssl_ciphers": CIPHERS,
    }


def _context(tls: Tls, protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_ciphers(CIPHERS)
    _check_private(tls.key)
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
        context.load_verify_locations(tls.authorities)
    except OSError:  # ssl.SSLError is one
        raise BadConfig(
            f"TLS: {tls.certificate}, {tls.key} and {tls.authorities} must be there and be PEM files: our certificate "
            "with its chain, its key without a password, and the authorities whose certificates a peer may show"
        ) from None
    return context


def _check_private(key: Path) -> None:
    if os.name == "posix" and key.exists() and key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadConfig(f"others can read the private key {key}; run: chmod 600 {key}")


def _no_password() -> str:
    """A program must not stop to ask somebody for a password."""
    raise BadConfig("TLS: the private key has a password; keep it without one, readable by its owner alone")
