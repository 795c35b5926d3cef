"""Where Google's services answer, and what may stand in for all of them at once."""

_HOST = "https://{service}.googleapis.com"


def address(service: str, path: str, endpoint: str | None = None) -> str:
    """The address of a service's interface: `https://SERVICE.googleapis.com/PATH`, or `ENDPOINT/SERVICE/PATH`.

    `endpoint` comes from the operator's configuration alone, never from a caller."""
    base = _HOST.format(service=service) if endpoint is None else f"{endpoint}/{service}"
    return f"{base}/{path}"
