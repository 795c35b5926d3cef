"""A real Orthanc with its DICOMweb plugin, on a loopback port."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@contextmanager
def orthanc(folder: Path, http_port: int, dicom_port: int) -> Iterator[str]:
    """The URL of its DICOMweb service, up until the block ends. It takes no second object under a UID, as delivered."""
    settings = {
        "Name": "peer",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "HttpPort": http_port,
        "DicomPort": dicom_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "HttpServerEnabled": True,
        "TcpNoDelay": True,
        "OverwriteInstances": True,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log)
        try:
            _until_ready(process, f"http://127.0.0.1:{http_port}/system")
            yield f"http://127.0.0.1:{http_port}/dicom-web"
        finally:
            process.terminate()
            process.wait(timeout=20)


def _until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(200):
        assert process.poll() is None, "Orthanc ended"
        try:
            if httpx.get(url, timeout=2).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError("Orthanc does not answer")
