"""Starts stand-in providers on loopback and says how terraform finds them."""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from concurrent import futures
from pathlib import Path
from typing import Any, Final

import grpc

from infra.standin import wire
from infra.standin.provider import Provider

_UNBOUNDED: Final = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


@contextlib.contextmanager
def serving(providers: Mapping[str, Provider]) -> Iterator[dict[str, str]]:
    """The environment in which terraform uses these providers (by name: `google`, `google-beta`) and no others."""
    with contextlib.ExitStack() as stack:
        attached = {
            f"registry.terraform.io/hashicorp/{name}": {
                "Protocol": "grpc",
                "ProtocolVersion": 6,
                "Pid": os.getpid(),
                "Test": True,
                "Addr": {"Network": "tcp", "String": stack.enter_context(_listening(provider))},
            }
            for name, provider in providers.items()
        }
        yield {
            "TF_REATTACH_PROVIDERS": json.dumps(attached),
            "TF_IN_AUTOMATION": "1",
            "TF_CLI_CONFIG_FILE": os.devnull,
            "CHECKPOINT_DISABLE": "1",
            # A quarter of a plan's processor time went into collecting a small heap over and over.
            "GOGC": "400",
        }


@contextlib.contextmanager
def _listening(provider: Provider) -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(8), options=_UNBOUNDED)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(wire.SERVICE, _handlers(provider)),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def _handlers(provider: Provider) -> dict[str, Any]:
    def handler(name: str) -> Any:
        request, response = (wire.MESSAGES[message] for message in wire.METHODS[name])
        answer = getattr(provider, name)
        return grpc.unary_unary_rpc_method_handler(
            lambda message, _: answer(message),
            request_deserializer=request.FromString,
            response_serializer=response.SerializeToString,
        )

    return {name: handler(name) for name in wire.METHODS}


def types_in(folder: Path) -> frozenset[str]:
    """Resource types that the configuration below a folder declares."""
    texts = (file.read_text(encoding="utf-8") for file in folder.rglob("*.tf"))
    return frozenset(
        name for text in texts for name in re.findall(r'^\s*resource\s+"(google_\w+)"', text, re.MULTILINE)
    )
