"""Libraries load at their first use, and a command starts without those that it does not use."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

#: What reading, rewriting and checking a slice takes none of, by the module that shows that it was executed.
UNUSED = (
    *("numpy._core", "PIL", "requests", "urllib3", "tqdm", "pydicom.data.data_manager", "pydicom.pixels.decoders"),
    *(
        "pydicom.encaps",
        "typer",
        "rich",
        "pydantic",
        "cryptography",
        "jinja2",
        "ruamel",
        "aegle.config",
        "aegle.records",
    ),
    *("aegle.deid.vault", "multiprocessing"),
)
RUN = """
import sys
from aegle.cli import main
try:
    main()
finally:
    print(sorted(set({unused!r}) & sys.modules.keys()))
"""
AFTER = """
import sys
from aegle import late
late.put_off()
import pydicom
assert not late.is_loaded("numpy") and "numpy" in sys.modules and "numpy._core" not in sys.modules
{then}
"""


def after(then: str) -> None:
    """Runs lines in a process of their own, in which pixel libraries were put off."""
    done = subprocess.run([sys.executable, "-c", AFTER.format(then=then)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.826.0.1.3680043.9.9999.3"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.826.0.1.3680043.9.9999.1", "1.2.826.0.1.3680043.9.9999.2"
    ds.PatientName, ds.PatientID = "Quillfeather^Ottilie", "MRN-4711-0815"
    ds.ImageType, ds.Modality = ["ORIGINAL", "PRIMARY", "AXIAL"], "CT"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = 4
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 0
    ds.add_new("PixelData", "OW", bytes(32))
    (tmp_path / "in").mkdir()
    ds.save_as(tmp_path / "in" / "one.dcm", enforce_file_format=True)
    return tmp_path / "in"


def test_deid_run_loads_no_library_that_it_does_not_use(slices: Path) -> None:
    (slices.parent / "key").write_text("00" * 32)  # a new one is told about
    words = ["deid", "run", str(slices), str(slices.parent / "out"), "--key", str(slices.parent / "key")]
    words += ["--values", str(slices.parent / "values.csv"), "--jobs", "1"]
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(unused=UNUSED), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["1 written, 0 held, 0 settled before.", "[]"]


def test_pixels_are_decoded_and_encoded_by_what_was_put_off() -> None:
    after("""
from pydicom.data import get_testdata_file
from pydicom.uid import RLELossless
ds = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
assert ds.pixel_array.shape == (128, 128) and pydicom.pixel_array(ds).sum() == ds.pixel_array.sum()
assert sum(1 for _ in pydicom.iter_pixels(ds)) == 1
ds.compress(RLELossless)
assert ds.pixel_array.shape == (128, 128)
assert late.is_loaded("numpy") and late.is_loaded("pydicom.pixels.utils")
""")


def test_a_package_is_executed_before_what_lies_in_it() -> None:
    after("""
import numpy.typing
assert late.is_loaded("numpy") and numpy.zeros(2).sum() == 0
from pydicom.pixels.decoders.base import get_decoder
import pydicom.pixels.decoders
assert pydicom.pixels.decoders.base.get_decoder is get_decoder
assert sys.modules["pydicom.pixels.decoders"] is pydicom.pixels.decoders
""")


def test_threads_that_ask_at_once_all_get_a_whole_module() -> None:
    after("""
import threading
together, found = threading.Barrier(8), []
def ask():
    together.wait()
    import numpy
    found.append(float(numpy.linalg.norm(numpy.ones(4))))
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert found == [2.0] * 8, found
""")


def test_a_module_that_is_not_installed_is_missed_as_ever() -> None:
    after("""
late.put_off({"nowhere_to_be_found": ()})
try:
    import nowhere_to_be_found
except ImportError:
    pass
else:
    raise AssertionError
""")
