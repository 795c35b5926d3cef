"""HTTP/1.1 for bulk: a thread a connection, bodies received into place and files sent by the system (decision 0015)."""

from aegle.carrier.messages import Answer, Application, Body, Piece, Request, Response, Run
from aegle.carrier.server import Carrier

__all__ = ["Answer", "Application", "Body", "Carrier", "Piece", "Request", "Response", "Run"]
