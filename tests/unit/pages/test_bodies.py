"""A body is cut off at a bound before anybody is signed in; only the upload streams."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from aegle.pages.wrappers import LARGEST_BODY, SmallBodies

seen: list[int] = []


async def count(request: Request) -> Response:
    size = 0
    try:
        async for block in request.stream():
            size += len(block)
    except ClientDisconnect:
        seen.append(-1)
        return PlainTextResponse("cut", 400)
    seen.append(size)
    return PlainTextResponse(str(size))


async def blocks(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 100_000):
        yield bytes(100_000)


def post(path: str, total: int, *, says_length: bool) -> httpx.Response:
    routes = [Route(name, count, methods=["POST"]) for name in ("/sign-in", "/upload")]
    application = SmallBodies(Starlette(routes=routes), {"/upload"})

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://st-anna.localhost") as client:
            content = bytes(total) if says_length else blocks(total)
            return await client.post(path, content=content)

    seen.clear()
    return asyncio.run(run())


def test_a_small_form_passes() -> None:
    assert post("/sign-in", 500_000, says_length=True).text == "500000"


def test_a_large_one_is_refused_by_what_it_says_before_it_is_read() -> None:
    assert post("/sign-in", LARGEST_BODY + 1, says_length=True).status_code == 413
    assert seen == []


def test_one_that_does_not_say_is_cut_off() -> None:
    assert post("/sign-in", 5 * LARGEST_BODY, says_length=False).status_code == 400
    assert seen == [-1]


@pytest.mark.parametrize("says_length", [True, False])
def test_the_upload_streams(says_length: bool) -> None:
    assert post("/upload", 5 * LARGEST_BODY, says_length=says_length).text == str(5 * LARGEST_BODY)
