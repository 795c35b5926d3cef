"""The archive's endpoint, asked as viewers and clients ask: search, retrieve, store, delete, and every refusal by its status."""

import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from aegle.access import Act
from aegle.dicom.describe import DEFLATED, describe
from aegle.errors import BadDicom, Conflict, Forbidden, StorageFull, Unauthenticated
from aegle.local.archive import FileArchive
from aegle.pages.servers import HttpServer
from aegle.protocols import multipart, stow
from aegle.protocols.dicomweb_server import archive_app, archive_routes
from aegle.protocols.stow import Fate, Receiver
from aegle.protocols.wado import NATIVE
from aegle.records import StoredInstance

PART_10 = 'multipart/related; type="application/dicom"'
NAMES = ("CT_small.dcm", "MR_small.dcm", "SC_rgb_rle_2frame.dcm", "examples_overlay.dcm")


def serve(application: Any) -> tuple[HttpServer, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = HttpServer(application, "127.0.0.1", port)
    server.start()
    return server, f"http://127.0.0.1:{port}"


class Stage:
    """An archive with its endpoint, whose doorkeeper notes what was asked of it."""

    def __init__(self, folder: Path) -> None:
        self.archive, self.asked, self.refusal = FileArchive(folder / "archive"), list[tuple[str, Act]](), ""
        self.folder = folder / "storing"
        self.folder.mkdir()
        receiver = Receiver(folder=self.folder, part_max_bytes=10_000_000, take=self.take)
        self.server, self.url = serve(archive_app(self.archive, self.admit, receiver))
        self.client = httpx.Client(base_url=self.url, trust_env=False)

    def close(self) -> None:
        self.client.close()
        self.server.stop()
        self.archive.close()

    def admit(self, authorization: str | None, study_uid: str, act: Act) -> None:
        self.asked.append((study_uid, act))
        if authorization == "no":
            raise Unauthenticated("no grant")
        if authorization == "other":
            raise Forbidden("another study")

    def take(self, path: Path, digest: str, study_uid: str) -> Fate:
        instance = describe(path).instance
        if study_uid not in ("", instance.study_uid):
            return Fate(instance=instance, reason=stow.OTHER_STUDY)
        try:
            self.archive.put(path, digest)
        except Conflict as error:
            return Fate(instance=instance, reason=stow.reason(error))
        return Fate(instance=instance)

    def put(self, path: str | Path) -> StoredInstance:
        copy = self.folder / "put.dcm"
        copy.write_bytes(Path(path).read_bytes())
        return self.archive.put(copy)

    def search(self, path: str, status: int = 200, **headers: str) -> Any:
        answer = self.client.get(path, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else []

    def stow(self, *objects: bytes, path: str = "/studies") -> Any:
        content_type, body = multipart.write(objects, "application/dicom")
        return self.client.post(path, content=b"".join(body), headers={"Content-Type": content_type})


def file(name: str) -> Path:
    return Path(get_testdata_file(name, download=False))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("endpoint"))
    for name in NAMES:
        made.put(file(name))
    yield made
    made.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


def url(item: StoredInstance) -> str:
    return f"/studies/{item.study_uid}/series/{item.series_uid}/instances/{item.sop_uid}"


def stored(stage: Stage, name: str) -> StoredInstance:
    found = stage.archive.find(describe(file(name)).instance.sop_uid)
    assert found is not None
    return found


# --- search


def test_the_worklist_of_a_viewer_is_answered(stage: Stage) -> None:
    """The query that OHIF's study list sends."""
    (found,) = stage.search(
        "/studies?limit=101&offset=0&fuzzymatching=false&includefield=00081030,00080060&00100010=*CompressedSamples*"
        "&ModalitiesInStudy=CT%2CMR&StudyDate=20040101-20041231&00100020=*1CT1*"
    )
    assert found["00100010"]["Value"] == [{"Alphabetic": "CompressedSamples^CT1"}]
    assert found["00201208"] == {"vr": "IS", "Value": [1]}
    assert found["00080061"]["Value"] == ["CT"]
    assert found["00081190"]["Value"] == [f"{stage.url}/studies/{found['0020000D']['Value'][0]}"]


def test_attributes_are_named_by_keyword_and_by_tag(stage: Stage) -> None:
    by = [stage.search(f"/series?{name}=MR") for name in ("Modality", "00080060")]
    assert by[0] == by[1]
    assert [item["00080060"]["Value"] for item in by[0]] == [["MR"], ["MR"]]


def test_more_of_the_header_is_answered_where_it_is_asked_for(stage: Stage) -> None:
    item = stored(stage, "CT_small.dcm")
    path = f"/studies/{item.study_uid}/instances"
    assert "00180050" not in stage.search(path)[0]
    assert stage.search(f"{path}?includefield=SliceThickness")[0]["00180050"]["Value"] == [5]
    assert "00280030" in stage.search(f"{path}?includefield=all")[0]
    assert "00281053" not in stage.search(f"{path}?includefield=SliceThickness")[0]


def test_a_link_leads_through_every_page_once(stage: Stage) -> None:
    found, path = list[Any](), "/studies?limit=1"
    while path:
        answer = stage.client.get(path)
        found += answer.json()
        assert ("Warning" in answer.headers) == ("Link" in answer.headers)
        path = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert found == stage.search("/studies")
    assert len(found) == len(NAMES)


def test_fuzzy_matching_is_said_not_to_be_done(stage: Stage) -> None:
    answer = stage.client.get("/studies?fuzzymatching=true&limit=1000")
    assert answer.headers["warning"].startswith("299 ")
    assert "Only literal matching" in answer.headers["warning"]


def test_nothing_found_is_no_content(stage: Stage) -> None:
    assert stage.search("/studies?PatientID=nobody", 204) == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=x", "limit=-1", "offset=100001", "limit=1&limit=2", "fuzzymatching=maybe", "Nonsense=1", "PixelData=1",
        "StudyDate=yesterday", "StudyDate=-", "StudyInstanceUID=1.2.x", "StudyTime=99-x", "Modality=CT", "after=?",
        "RequestAttributesSequence.ScheduledProcedureStepID=1", "PatientID=a&00100020=b", "includefield=Nonsense",
        "after=WzFd", "PatientID=" + "a" * 17_000, "00080005=x",
    ],
)  # fmt: skip
def test_a_parameter_that_cannot_be_used_is_refused_not_ignored(stage: Stage, query: str) -> None:
    assert stage.search(f"/studies?{query}", 400)["code"] == "BAD_MESSAGE"


@given(
    name=st.sampled_from(
        ["limit", "offset", "after", "includefield", "StudyDate", "00100010", "StudyTime", "PatientID"]
    )
    | st.text(max_size=12),
    value=st.text(max_size=40) | st.text(alphabet="0123456789-*?[]\\,.'\"", max_size=30),
    resource=st.sampled_from(["/studies", "/series", "/instances"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_parameter_is_answered_by_a_server_error(stage: Stage, name: str, value: str, resource: str) -> None:
    answer = stage.client.get(resource, params={name: value})
    assert answer.status_code in (200, 204, 400)


def test_json_is_packed_and_known_again(stage: Stage) -> None:
    with stage.client.stream("GET", "/instances", headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(raw)) == stage.search("/instances", **{"Accept-Encoding": "identity"})
    assert stage.search("/instances", 304, **{"If-None-Match": answer.headers["etag"]}) == []


@pytest.mark.parametrize(
    "accept", ["application/dicom+xml", 'multipart/related; type="application/dicom+xml"', "text/html"]
)
def test_xml_is_said_not_to_be_offered(stage: Stage, accept: str) -> None:
    assert stage.search("/studies", 406, Accept=accept)["code"] == "NOT_ACCEPTABLE"


# --- retrieve


def test_every_object_comes_back_byte_for_byte_and_every_frame_as_pydicom_has_it(empty: Stage) -> None:
    compared = 0
    for path in sorted(file("CT_small.dcm").parent.glob("*.dcm")):
        try:
            item = empty.put(path)
        except BadDicom:
            continue
        assert empty.client.get(url(item), headers={"Accept": "application/dicom"}).content == path.read_bytes()
        whole = empty.client.get(url(item), headers={"Accept": f"{PART_10}; transfer-syntax=*"})
        assert multipart.read(whole.headers["content-type"], whole.content) == [path.read_bytes()]
        compared += compare_frames(empty, item, path)
        empty.archive.delete(item)  # some of them share a UID
    assert compared > 100


def compare_frames(stage: Stage, item: StoredInstance, path: Path) -> int:
    made = pydicom.dcmread(path)
    if "PixelData" not in made or item.transfer_syntax == DEFLATED:
        assert stage.client.get(f"{url(item)}/frames/1").status_code == 404
        return 0
    if item.transfer_syntax in NATIVE:
        size = item.rows * item.columns * made.SamplesPerPixel * made.BitsAllocated // 8
        wanted = [made.PixelData[at * size : (at + 1) * size] for at in range(item.frames)]
    else:
        wanted = list(pydicom.encaps.generate_frames(made.PixelData, number_of_frames=item.frames))
    numbers = ",".join(str(number) for number in range(item.frames, 0, -1)[:200])
    answer = stage.client.get(f"{url(item)}/frames/{numbers}", headers={"Accept": "multipart/related"})
    if answer.status_code == 404:
        assert made.BitsAllocated == 1  # frames need not start on a byte
        return 0
    assert multipart.read(answer.headers["content-type"], answer.content) == wanted[::-1][:200]
    return len(wanted)


def test_a_single_frame_comes_alone_to_who_asks_so(stage: Stage) -> None:
    item = stored(stage, "SC_rgb_rle_2frame.dcm")
    (wanted,) = stage.archive.frames(item, [2])
    answer = stage.client.get(f"{url(item)}/frames/2", headers={"Accept": "image/dicom-rle"})
    assert answer.content == wanted
    assert answer.headers["content-type"] == "image/dicom-rle; transfer-syntax=1.2.840.10008.1.2.5"
    assert stage.client.get(f"{url(item)}/frames/1,2", headers={"Accept": "image/dicom-rle"}).status_code == 406


def test_pixel_data_is_retrieved_whole(stage: Stage) -> None:
    native, packed = stored(stage, "CT_small.dcm"), stored(stage, "SC_rgb_rle_2frame.dcm")
    answer = stage.client.get(f"{url(native)}/bulkdata", headers={"Accept": "application/octet-stream"})
    assert answer.content == pydicom.dcmread(file("CT_small.dcm")).PixelData
    answer = stage.client.get(f"{url(packed)}/bulkdata")
    assert multipart.read(answer.headers["content-type"], answer.content) == stage.archive.frames(packed, [1, 2])


def test_a_study_and_a_series_come_as_one_body(stage: Stage) -> None:
    item = stored(stage, "MR_small.dcm")
    for path in (f"/studies/{item.study_uid}", f"/studies/{item.study_uid}/series/{item.series_uid}"):
        answer = stage.client.get(path, headers={"Accept": PART_10})
        assert multipart.read(answer.headers["content-type"], answer.content) == [file("MR_small.dcm").read_bytes()]
        assert stage.search(path + "/metadata")[0]["00080018"]["Value"] == [item.sop_uid]


def test_a_range_of_an_object_is_served_and_an_object_known_again(stage: Stage) -> None:
    item, content = stored(stage, "CT_small.dcm"), file("CT_small.dcm").read_bytes()
    single = {"Accept": "application/dicom"}
    answer = stage.client.get(url(item), headers=single | {"Range": "bytes=128-131"})
    assert (answer.status_code, answer.content) == (206, b"DICM")
    answer = stage.client.get(url(item), headers=single | {"Range": f"bytes={len(content)}-"})
    assert answer.status_code == 416
    etag = stage.client.get(url(item), headers=single).headers["etag"]
    assert stage.client.get(url(item), headers=single | {"If-None-Match": etag}).status_code == 304


def test_another_transfer_syntax_than_the_stored_one_is_not_acceptable(stage: Stage) -> None:
    item = stored(stage, "SC_rgb_rle_2frame.dcm")
    for path in (url(item), f"{url(item)}/frames/1"):
        accept = 'multipart/related; type="*/*"; transfer-syntax=1.2.840.10008.1.2.1'
        assert stage.client.get(path, headers={"Accept": accept}).status_code == 406


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/studies/1.2.3", 404),
        ("/studies/1.x", 400),
        ("/studies/01.2/metadata", 400),
        ("/else", 404),
    ],
)
def test_a_name_that_is_none_or_is_not_here_is_refused(stage: Stage, path: str, status: int) -> None:
    assert stage.client.get(path).status_code == status


@pytest.mark.parametrize("frames", ["0", "3", "a", "1,,2", ",".join("1" * 300), "99999999999"])
def test_frames_that_are_not_there_are_refused(stage: Stage, frames: str) -> None:
    item = stored(stage, "SC_rgb_rle_2frame.dcm")
    assert stage.client.get(f"{url(item)}/frames/{frames}").status_code in (400, 404)


def test_large_values_are_linked_and_come_as_they_lie_in_the_file(empty: Stage) -> None:
    item = empty.put(file("waveform_ecg.dcm"))
    header = pydicom.dcmread(file("waveform_ecg.dcm"))
    (told,) = empty.search(f"{url(item)}/metadata")
    link = told["54000100"]["Value"][0]["54001010"]["BulkDataURI"]
    assert link == f"{empty.url}{url(item)}/bulkdata/54000100/0/54001010"
    wanted = header.WaveformSequence[0].WaveformData
    assert empty.client.get(link, headers={"Accept": "application/octet-stream"}).content == wanted
    answer = empty.client.get(link)
    assert multipart.read(answer.headers["content-type"], answer.content) == [wanted]
    for where in ("54000100/1/54001010/0/00100010", "00100011", "54000100", "x", "54000100/99/54001010"):
        assert empty.client.get(f"{url(item)}/bulkdata/{where}").status_code == 404


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
@pytest.mark.parametrize("open_ended", [True, False])
def test_a_large_value_is_found_in_every_encoding(empty: Stage, syntax: str, open_ended: bool) -> None:
    little = syntax != "1.2.840.10008.1.2.2"
    made, inner = pydicom.dcmread(file("CT_small.dcm" if little else "MR_small_bigendian.dcm")), pydicom.Dataset()
    inner.WaveformBitsAllocated, inner.WaveformData = 8, bytes(range(250)) * 40
    inner["WaveformData"].VR = "OB"
    made.WaveformSequence = [pydicom.Dataset(), inner]
    made["WaveformSequence"].is_undefined_length = open_ended
    made.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    made.save_as(empty.folder / "made", implicit_vr=syntax == "1.2.840.10008.1.2", little_endian=little)
    item = empty.put(empty.folder / "made")
    answer = empty.client.get(f"{url(item)}/bulkdata/54000100/1/54001010", headers={"Accept": "*/*"})
    assert multipart.read(answer.headers["content-type"], answer.content) == [inner.WaveformData]


# --- store and delete


def test_an_object_is_stored_once_and_again_but_not_other_bytes(empty: Stage) -> None:
    content = file("CT_small.dcm").read_bytes()
    changed = pydicom.dcmread(file("CT_small.dcm"))
    changed.PatientID = "another"
    changed.save_as(empty.folder / "changed")
    other = (empty.folder / "changed").read_bytes()
    (empty.folder / "changed").unlink()
    for _ in range(2):
        answer = empty.stow(content)
        assert answer.status_code == 200
        (item,) = answer.json()["00081199"]["Value"]
        assert (
            empty.client.get(item["00081190"]["Value"][0], headers={"Accept": "application/dicom"}).content == content
        )
    answer = empty.stow(other)
    assert answer.status_code == 409
    assert answer.json()["00081198"]["Value"][0]["00081197"] == {"vr": "US", "Value": [0x0111]}
    assert list(empty.folder.iterdir()) == []


def test_some_taken_and_some_not_is_accepted_with_the_reasons(empty: Stage) -> None:
    study = describe(file("CT_small.dcm")).instance.study_uid
    answer = empty.stow(
        file("CT_small.dcm").read_bytes(), b"no DICOM", file("MR_small.dcm").read_bytes(), path=f"/studies/{study}"
    )
    assert answer.status_code == 202
    body = answer.json()
    assert len(body["00081199"]["Value"]) == 1
    assert body["00081198"]["Value"][0]["00081197"]["Value"] == [0xA900]
    assert body["0008119A"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xC000]}}]


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/dicom", b"x", 415),
        ('multipart/related; type="application/dicom+json"; boundary=b', b"", 415),
        ("multipart/related; type=application/dicom", b"", 400),
        ("multipart/related; type=application/dicom; boundary=b", b"--b\r\n\r\ncut", 400),
        ("multipart/related; type=application/dicom; boundary=b", b"--b--", 400),
        ("multipart/related; type=application/dicom; boundary=b", b"--b\r\n\r\n" + bytes(11_000_000), 413),
    ],
)
def test_a_body_that_is_none_is_refused_and_leaves_nothing(
    empty: Stage, content_type: str, body: bytes, status: int
) -> None:
    answer = empty.client.post("/studies", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert list(empty.folder.iterdir()) == []


def test_a_full_disk_is_told_as_no_room(empty: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageFull("full")

    monkeypatch.setattr(empty.archive, "put", full)
    answer = empty.stow(file("CT_small.dcm").read_bytes())
    assert answer.status_code == 409
    assert answer.json()["0008119A"]["Value"][0]["00081197"]["Value"] == [0xA700]


def test_an_archive_without_a_receiver_stores_nothing(stage: Stage) -> None:
    server, address = serve(archive_app(stage.archive, lambda *_: None))
    assert httpx.post(f"{address}/studies", content=b"", trust_env=False).status_code == 405
    server.stop()


def test_what_is_deleted_is_gone(empty: Stage) -> None:
    item = empty.put(file("CT_small.dcm"))
    assert empty.client.delete(url(item)).status_code == 204
    assert empty.client.get(url(item)).status_code == 404
    assert empty.client.delete(f"/studies/{item.study_uid}").status_code == 404
    assert empty.search("/studies", 204) == []


# --- leave


def test_every_route_asks_leave_for_its_act_before_it_reads(stage: Stage) -> None:
    for route in archive_routes(stage.archive):
        path = route.path.replace("{frames}", "1").replace("{where:path}", "54000100")
        for name in ("study", "series", "sop"):
            path = path.replace(f"{{{name}}}", "2.25.1")
        stage.asked.clear()
        answers = [stage.client.request(route.method, path, headers={"Authorization": it}) for it in ("no", "other")]
        assert [answer.status_code for answer in answers] == [401, 403]
        assert answers[0].headers["www-authenticate"] == "Bearer"
        assert stage.asked == [("2.25.1" if "{study}" in route.path else "", route.act)] * 2


def test_the_capabilities_name_every_route(stage: Stage) -> None:
    document = stage.client.options("/").json()
    assert document["openapi"].startswith("3.1")
    named = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert named == {(route.method, route.path.replace(":path", "")) for route in archive_routes(stage.archive)} - {
        ("GET", "/"),
        ("OPTIONS", "/"),
    }
