"""Other people's DICOMweb clients at the archive's endpoint: dicomweb-client, wsidicom, and schemathesis over our OpenAPI."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import dicomweb_client
import httpx
import numpy as np
import pydicom
import pytest
import schemathesis
import wsidicom
from archiveserver import GRANT, Server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from aegle.demo.slides import write_slide

STILLS = ("CT_small.dcm", "SC_rgb_rle_2frame.dcm", "waveform_ecg.dcm", "MR_small_jp2klossless.dcm")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(folder=tmp_path_factory.mktemp("clients") / "site")
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def client(server: Server) -> Any:
    return dicomweb_client.DICOMwebClient(server.url, headers={"Authorization": f"Bearer {GRANT}"})


@pytest.fixture(scope="module")
def stills(client: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pydicom.Dataset]:
    found = {}
    for name in STILLS:
        made = pydicom.dcmread(get_testdata_file(name, download=False))
        made.PatientIdentityRemoved = "YES"
        path = tmp_path_factory.mktemp("stills") / name
        made.save_as(path)
        found[name] = pydicom.dcmread(path)
    answer = client.store_instances(list(found.values()))
    assert len(answer.ReferencedSOPSequence) == len(STILLS)
    assert "FailedSOPSequence" not in answer
    return found


def names(made: pydicom.Dataset) -> tuple[str, str, str]:
    return made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID


@pytest.mark.parametrize("name", STILLS)
def test_dicomweb_client_gets_back_what_it_stored(client: Any, stills: dict[str, pydicom.Dataset], name: str) -> None:
    made = stills[name]
    assert client.retrieve_instance(*names(made), media_types=[("application/dicom", "*")]) == made
    (found,) = client.search_for_instances(search_filters={"SOPInstanceUID": made.SOPInstanceUID})
    assert found["0020000D"]["Value"] == [made.StudyInstanceUID]
    told = pydicom.Dataset.from_json(client.retrieve_instance_metadata(*names(made)), lambda *_: b"")
    assert told.PatientID == made.PatientID


def test_dicomweb_client_reads_frames_large_values_and_rendered_images(
    server: Server, client: Any, stills: dict[str, pydicom.Dataset]
) -> None:
    made = stills["SC_rgb_rle_2frame.dcm"]
    wanted = list(pydicom.encaps.generate_frames(made.PixelData, number_of_frames=2))
    media = [("image/dicom-rle", "1.2.840.10008.1.2.5")]
    assert client.retrieve_instance_frames(*names(made), frame_numbers=[2, 1], media_types=media) == wanted[::-1]
    assert client.retrieve_instance_rendered(*names(made), media_types=["image/png"])[:4] == b"\x89PNG"
    ecg = stills["waveform_ecg.dcm"]
    link = client.retrieve_instance_metadata(*names(ecg))["54000100"]["Value"][0]["54001010"]["BulkDataURI"]
    link = link.replace("http://127.0.0.1/", f"{server.url}/")  # this client's Host header leaves the port out
    assert client.retrieve_bulkdata(link)[0] == ecg.WaveformSequence[0].WaveformData


def test_wsidicom_opens_a_slide_over_http_and_sees_what_it_sees_in_the_files(
    server: Server, client: Any, tmp_path: Path
) -> None:
    paths = write_slide(tmp_path, seed=1, finding="NILM", size_px=1024)
    made = [pydicom.dcmread(path) for path in paths]
    for item in made:
        item.PatientIdentityRemoved = "YES"
        assert "FailedSOPSequence" not in client.store_instances([item])
    web = wsidicom.WsiDicomWebClient(client)
    study, series = made[0].StudyInstanceUID, made[0].SeriesInstanceUID
    with wsidicom.WsiDicom.open(paths) as here, wsidicom.WsiDicom.open_web(web, study, series) as there:
        assert [level.size for level in there.levels] == [level.size for level in here.levels]
        for level in range(len(here.levels)):
            regions = [
                np.asarray(it.read_region((100, 50), here.levels[level].level, (90, 70))) for it in (here, there)
            ]
            assert np.array_equal(*regions)
    kept = tmp_path / "retrieved"
    kept.mkdir()
    for item in made:
        path = f"/studies/{study}/series/{item.SeriesInstanceUID}/instances/{item.SOPInstanceUID}"
        with server.client() as plain:
            content = plain.get(path, headers={"Accept": "application/dicom"}).content
        (kept / f"{item.SOPInstanceUID}.dcm").write_bytes(content)
    with wsidicom.WsiDicom.open(kept) as again:
        assert again.size.width == 1024


def test_nothing_that_our_openapi_allows_or_forbids_is_answered_by_an_error_of_ours(
    server: Server, stills: dict[str, pydicom.Dataset]
) -> None:
    with server.client() as plain:
        document = plain.get("/").json()
    schema = schemathesis.openapi.from_dict(document)
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.method.upper() != "DELETE":
            still = next(iter(stills.values()))
            _fuzz(server, operation, set(document["paths"][operation.path][operation.method]["responses"]), still)


def _bodies(still: pydicom.Dataset) -> st.SearchStrategy[tuple[str, bytes]]:
    """Content types and bodies of a store request, right and wrong: nothing that schemathesis makes by itself."""
    stream = BytesIO()
    still.save_as(stream)
    part = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + stream.getvalue() + b"\r\n"
    kinds = [
        *["multipart/related; type=application/dicom; boundary=b"] * 3, "multipart/related", "application/dicom+json",
        "multipart/related; type=image/jpeg; boundary=b", "", "x" * 300,
    ]  # fmt: skip
    pieces = st.lists(
        st.sampled_from([part, part[:-100], part[60:], b"--b\r\n\r\n\r\n", b"\r\n", b"--b--", b"--b"])
        | st.binary(max_size=200),
        max_size=4,
    )
    return st.tuples(
        st.sampled_from(kinds), pieces.map(b"".join) | pieces.map(lambda some: b"".join([*some, b"--b--"]))
    )


def _fuzz(server: Server, operation: Any, documented: set[str], still: pydicom.Dataset) -> None:
    stores = operation.method.upper() == "POST"
    operation.body.items.clear()

    @given(case=operation.as_strategy(), sends=_bodies(still) if stores else st.just(("", b"")))
    @settings(max_examples=25 if stores else 5, deadline=None, suppress_health_check=list(HealthCheck))
    def run(case: Any, sends: tuple[str, bytes]) -> None:
        sent = case.as_transport_kwargs(base_url=server.url, headers={"Authorization": f"Bearer {GRANT}"})
        headers = dict(sent["headers"]) | ({"Content-Type": sends[0]} if stores else {})
        body = {"content": sends[1]} if stores else {}
        try:
            answer = httpx.request(
                sent["method"], sent["url"], params=sent.get("params"), headers=headers, trust_env=False, **body
            )
        except (httpx.InvalidURL, UnicodeError, httpx.LocalProtocolError):
            return
        assert answer.status_code < 500
        assert str(answer.status_code) in documented | {"404", "405"}

    run()
