"""A bundle proves itself, and says which file does not."""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from reference import BUNDLES

from aegle.errors import BadBundle
from aegle.inference.bundle import Bundle, load, pack, prove
from aegle.inference.process import ModelProcess


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BUNDLES / "papnet-1.0.0", tmp_path / "copy"))


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("SHA256SUMS")
    }


def public_pem(key: Ed25519PrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form)


def test_the_reference_bundle_is_signed_and_under_a_megabyte(bundle: Bundle) -> None:
    assert bundle.signed
    assert sum(path.stat().st_size for path in bundle.folder.rglob("*") if path.is_file()) < 1_000_000


def test_the_reference_bundle_says_that_it_is_synthetic(bundle: Bundle) -> None:
    assert bundle.card.synthetic
    assert "not for clinical use" in bundle.card.intended_use
    assert "not for clinical use" in bundle.readme


def test_its_test_vectors_hold_in_the_process_that_serves_it(bundle: Bundle, process: ModelProcess) -> None:
    prove(bundle, process)


def test_a_drifted_export_is_caught_by_the_test_vectors(bundle: Bundle, process: ModelProcess) -> None:
    with np.load(io.BytesIO(bundle.vectors)) as arrays:
        kept = dict(arrays)
    kept["probability"] = kept["probability"] + np.float32(0.19)
    stream = io.BytesIO()
    np.savez(stream, **kept)
    with pytest.raises(BadBundle, match=r"probability differs by 0\.19"):
        prove(replace(bundle, vectors=stream.getvalue()), process)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda f: (f / "docs/README.md").write_text("better"), "docs/README.md was changed"),
        (lambda f: (f / "models/extra.onnx").write_bytes(b"x"), "models/extra.onnx is not listed"),
        (lambda f: (f / "models/model.onnx").unlink(), "models/model.onnx is missing"),
        (lambda f: (f / "SHA256SUMS").unlink(), "SHA256SUMS is missing"),
        (lambda f: (f / "SHA256SUMS").write_text("nonsense"), "not a list"),
        (lambda f: (f / "SHA256SUMS").write_text("0  ../secret\n"), "not a path inside"),
        (lambda f: (f / "docs/link").symlink_to("/etc/hosts"), "docs/link is not listed"),
    ],
)
def test_a_harmed_bundle_names_its_harm(copy: Path, harm: Callable[[Path], object], words: str) -> None:
    harm(copy)
    with pytest.raises(BadBundle, match=words):
        load(copy)


def test_another_signer_is_refused(copy: Path) -> None:
    with pytest.raises(BadBundle, match="not made by the signer's key"):
        load(copy, signer=public_pem(Ed25519PrivateKey.generate()))


def test_sums_changed_after_signing_are_refused(copy: Path) -> None:
    sums = copy / "SHA256SUMS"
    sums.write_text(sums.read_text() + f"{'0' * 64}  docs/more.md\n")
    with pytest.raises(BadBundle, match="signer"):
        load(copy, signer=(BUNDLES / "papnet.pub").read_bytes())


def test_a_packed_bundle_loads_with_its_signature(tmp_path: Path, bundle: Bundle) -> None:
    key = Ed25519PrivateKey.generate()
    packed = pack(tmp_path / "new", files_of(bundle.folder), key=key)
    again = load(tmp_path / "new", signer=public_pem(key))
    assert packed.ref == again.ref == bundle.ref


def test_a_bundle_is_never_overwritten(copy: Path, bundle: Bundle) -> None:
    with pytest.raises(BadBundle, match="exists"):
        pack(copy, files_of(bundle.folder))


def test_a_custom_operator_is_refused(tmp_path: Path, bundle: Bundle) -> None:
    files = files_of(bundle.folder)
    files["models/model.onnx"] += b"\x42\x0c" + b"\x0a\x08my.thing\x10\x01"[:12]
    with pytest.raises(BadBundle, match=r"operators outside ONNX: my\.thing"):
        pack(tmp_path / "new", files)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("unknown", 1, "aegle.unknown"),
        ("format", 2, "aegle.format"),
        ("classes", [], "aegle.classes"),
        ("operating_point", {"threshold": 1.5, "policy": "x"}, "aegle.operating_point.threshold"),
    ],
)
def test_a_card_that_does_not_fit_names_the_field(
    tmp_path: Path, bundle: Bundle, key: str, value: object, words: str
) -> None:
    files = files_of(bundle.folder)
    metadata = json.loads(files["configs/metadata.json"])
    metadata["aegle"][key] = value
    files["configs/metadata.json"] = json.dumps(metadata).encode()
    with pytest.raises(BadBundle, match=words):
        pack(tmp_path / "new", files)
