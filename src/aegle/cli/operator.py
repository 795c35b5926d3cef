"""The hub as the operator's commands see it: its API, answers as records."""

from typing import TypeVar

from aegle import api
from aegle.hub.overview import Overview
from aegle.local.enrolment import OperatorClient
from aegle.local.home import Home
from aegle.ports import Table

T = TypeVar("T")


def operator(place: Home) -> OperatorClient:
    """The running hub of this home. Raises BadConfig before the first `aegle apply`."""
    return OperatorClient(place, place.require_applied().hub.port)


def ask(client: OperatorClient, kind: type[T], method: str, path: str, body: object = None) -> T:
    """One call, its answer as the record `kind`. Raises what the hub answered, PeerUnreachable when it does not."""
    return api.decode(kind, client.call(method, f"/v1/admin{path}", body).content)


def overview(client: OperatorClient) -> Overview:
    """The hub at a glance."""
    return ask(client, Overview, "GET", "/overview")


def query_labels(client: OperatorClient, sql: str, limit: int) -> Table:
    """One SELECT over the labels. Raises BadMessage with the warehouse's own words."""
    return ask(client, Table, "POST", "/labels/query", {"sql": sql, "limit": limit})
