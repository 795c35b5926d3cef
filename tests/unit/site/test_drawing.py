"""Rendered images and thumbnails at the archive's endpoint: what is shown, in which form, and what is refused."""

import io
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from aegle.local.archive import FileArchive
from aegle.pages.servers import HttpServer
from aegle.protocols import multipart
from aegle.protocols.dicomweb_client import path_of
from aegle.protocols.dicomweb_server import archive_app
from aegle.records import StoredInstance
from aegle.site.drawing import Drawing

NAMES = (
    "CT_small.dcm",
    "MR_small_jp2klossless.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_rgb_small_odd_jpeg.dcm",
    "reportsi.dcm",
)


class Stage:
    def __init__(self, folder: Path) -> None:
        self.archive, self.held = FileArchive(folder / "archive"), dict[str, StoredInstance]()
        for name in NAMES:
            shutil.copy(get_testdata_file(name, download=False), folder / name)
            self.held[name] = self.archive.put(folder / name)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.drawing = Drawing(archive=self.archive)
        self.server = HttpServer(archive_app(self.archive, lambda *_: None, draw=self.drawing), "127.0.0.1", port)
        self.server.start()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60)

    def ask(self, name: str, rest: str, **headers: str) -> httpx.Response:
        return self.client.get(path_of(self.held[name]) + rest, headers=headers)

    def picture(self, name: str, rest: str, **headers: str) -> Image.Image:
        answer = self.ask(name, rest, **headers)
        assert answer.status_code == 200, answer.text
        return Image.open(io.BytesIO(answer.content))

    def close(self) -> None:
        self.client.close()
        self.server.stop()
        self.drawing.close()
        self.archive.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("drawing"))
    yield made
    made.close()


@pytest.mark.parametrize("name", NAMES[:4])
def test_every_image_is_drawn_as_jpeg_unless_png_is_asked_for(stage: Stage, name: str) -> None:
    item = stage.held[name]
    assert stage.picture(name, "/rendered").format == "JPEG"
    png = stage.picture(name, "/frames/1/rendered", Accept="image/png")
    assert (png.format, png.size) == ("PNG", (item.columns, item.rows))
    assert stage.picture(name, "/rendered?accept=image/png").format == "PNG"


def test_colours_are_exact_in_png(stage: Stage) -> None:
    wanted = pydicom.dcmread(get_testdata_file("SC_rgb_rle_2frame.dcm", download=False)).pixel_array
    for number in (1, 2):
        drawn = stage.picture("SC_rgb_rle_2frame.dcm", f"/frames/{number}/rendered", Accept="image/png")
        assert np.array_equal(np.asarray(drawn), wanted[number - 1])


@pytest.mark.parametrize("function", ["linear", "linear-exact", "sigmoid"])
def test_a_window_is_applied_as_the_standard_defines_it(stage: Stage, function: str) -> None:
    made = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    made.WindowCenter, made.WindowWidth, made.VOILUTFunction = 200, 400, function.upper().replace("-", "_")
    values = made.pixel_array * made.RescaleSlope + made.RescaleIntercept
    wanted = pydicom.pixels.apply_windowing(values, made)
    scaled = (wanted - wanted.min()) / (wanted.max() - wanted.min()) * 255
    drawn = stage.picture("CT_small.dcm", f"/rendered?window=200,400,{function}", Accept="image/png")
    assert np.abs(np.asarray(drawn).astype(float) - scaled).max() <= 4


def test_a_viewport_is_fitted_into_and_a_region_is_cut(stage: Stage) -> None:
    assert stage.picture("CT_small.dcm", "/rendered?viewport=50,80").size == (50, 50)
    whole = np.asarray(stage.picture("CT_small.dcm", "/rendered", Accept="image/png"))
    part = stage.picture("CT_small.dcm", "/rendered?viewport=32,16,10,20,32,16", Accept="image/png")
    assert np.array_equal(np.asarray(part), whole[20:36, 10:42])


def test_quality_makes_a_jpeg_smaller(stage: Stage) -> None:
    sizes = [len(stage.ask("CT_small.dcm", f"/rendered?quality={quality}").content) for quality in (5, 95)]
    assert sizes[0] < sizes[1] / 2


def test_several_frames_come_as_parts(stage: Stage) -> None:
    answer = stage.ask("SC_rgb_rle_2frame.dcm", "/frames/2,1/rendered")
    assert [
        Image.open(io.BytesIO(part)).format for part in multipart.read(answer.headers["content-type"], answer.content)
    ]


def test_thumbnails_are_small_and_there_is_one_for_a_series_and_a_study(stage: Stage) -> None:
    item = stage.held["CT_small.dcm"]
    study, series = f"/studies/{item.study_uid}", f"/studies/{item.study_uid}/series/{item.series_uid}"
    for path in (study, series, path_of(item), f"{path_of(item)}/frames/1"):
        answer = stage.client.get(f"{path}/thumbnail")
        assert Image.open(io.BytesIO(answer.content)).size == (128, 128)
    assert stage.client.get(f"{study}/rendered", headers={"Accept": "image/jpeg"}).status_code == 200
    assert stage.picture("CT_small.dcm", "/thumbnail?viewport=20,20").size == (20, 20)


@pytest.mark.parametrize(
    "query",
    [
        "viewport=99999,99999", "viewport=0,5", "viewport=5", "viewport=a,b", "viewport=5,5,1,1,0,0", "viewport=1e9,1e9",
        "viewport=5,5,-1,0,1,1", "viewport=nan,inf", "quality=0", "quality=101", "quality=", "window=1,2", "window=1,0,linear",
        "window=1,2,other", "window=nan,2,linear", "annotation=patient", "quality=5&quality=6", "window=" + "9" * 5000,
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_so_is_refused(stage: Stage, query: str) -> None:
    assert stage.ask("CT_small.dcm", f"/rendered?{query}").status_code == 400


def test_a_region_outside_another_form_and_an_object_without_image_are_refused(stage: Stage) -> None:
    assert stage.ask("CT_small.dcm", "/rendered?viewport=9,9,120,120,50,50").status_code == 406
    assert stage.ask("CT_small.dcm", "/rendered", Accept="image/gif").status_code == 406
    assert stage.ask("CT_small.dcm", "/frames/2/rendered").status_code == 404
    assert stage.ask("reportsi.dcm", "/rendered").status_code == 404
    assert stage.ask("reportsi.dcm", "/thumbnail").status_code == 404
    assert stage.ask("SC_rgb_rle_2frame.dcm", f"/frames/{','.join(['1'] * 33)}/rendered").status_code == 413
