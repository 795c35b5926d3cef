"""A model bundle on disk: MONAI Bundle layout, `SHA256SUMS` over every file, an Ed25519 signature over the sums.

papnet-1.0.0/
  configs/metadata.json     MONAI's facts, and ours under the key `aegle` (`inference.card`)
  models/model.onnx         the network; standard operators only
  tests/vectors.npz         inputs and the outputs expected of them
  docs/README.md  LICENSE
  SHA256SUMS                one line a file; its own SHA-256 is the bundle's digest
  SHA256SUMS.sig            base64 of the signature
"""

import base64
import binascii
import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from numpy.typing import NDArray

from aegle.errors import BadBundle
from aegle.inference.card import Card, read_metadata
from aegle.inference.onnxfile import STANDARD_DOMAINS, operator_domains
from aegle.inference.process import ModelProcess
from aegle.records import BundleRef

SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
METADATA, MODEL = "configs/metadata.json", "models/model.onnx"
MAX_BYTES = 2 << 30  #: of one file in a bundle
MAX_VECTOR_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """One model version whose files are what its sums say."""

    folder: Path
    ref: BundleRef
    card: Card
    model: bytes  #: ONNX
    vectors: bytes  #: `.npz`
    readme: str  #: the model card, Markdown
    signed: bool  #: by the key that `load` was given


def load(folder: Path, *, signer: bytes | None = None) -> Bundle:
    """Read a bundle and prove its files. `signer` is a PEM Ed25519 public key; without it no signature is asked for.

    Raises BadBundle naming the file that is missing, changed, unlisted or unsigned, or the fact that does not fit.
    """
    sums = _content(folder, SUMS)
    if signer is not None:
        _check_signature(folder, sums, signer)
    listed = _listed(sums)
    contents = {name: _proved(folder, name, digest) for name, digest in listed.items()}
    _refuse_unlisted(folder, listed)
    metadata = read_metadata(_needed(contents, METADATA))
    model = _needed(contents, MODEL)
    if strange := operator_domains(model) - STANDARD_DOMAINS:
        raise BadBundle(f"{MODEL} needs operators outside ONNX: {', '.join(sorted(strange))}")
    return Bundle(
        folder=folder,
        ref=BundleRef(name=metadata.name, version=metadata.version, digest=hashlib.sha256(sums).hexdigest()),
        card=metadata.card,
        model=model,
        vectors=_needed(contents, metadata.card.vectors.file),
        readme=_needed(contents, "docs/README.md").decode(errors="replace"),
        signed=signer is not None,
    )


def pack(folder: Path, files: Mapping[str, bytes], *, key: Ed25519PrivateKey | None = None) -> Bundle:
    """Write a bundle of `files` (path in the bundle -> content) into a new folder, sums and signature with it.

    Raises BadBundle when the folder exists or the bundle would not load; then nothing usable is left behind.
    """
    if folder.exists():
        raise BadBundle(f"{folder.name} exists: a bundle is never changed, choose a new version")
    for name, content in files.items():
        path = folder / _safe(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    sums = "".join(lines).encode()
    (folder / SUMS).write_bytes(sums)
    if key is not None:
        (folder / SIGNATURE).write_bytes(base64.b64encode(key.sign(sums)) + b"\n")
    return load(folder)


def prove(bundle: Bundle, process: ModelProcess) -> None:
    """Run the bundle's test vectors in the process that will serve it. Raises BadBundle with the largest difference."""
    vectors, card = _vectors(bundle), bundle.card
    outputs = process.run(vectors[card.input.tensor])
    for name, got in ((card.output.probability, outputs.probability), (card.output.evidence, outputs.evidence)):
        expected = vectors[name]
        if expected.shape != got.shape:
            raise BadBundle(f"test vectors: {name} has shape {got.shape}, {expected.shape} was recorded")
        difference = float(np.abs(got - expected).max())
        if not difference <= card.vectors.atol:  # also when it is not a number
            raise BadBundle(
                f"test vectors: {name} differs by {difference:.3g}, at most {card.vectors.atol:g} is allowed"
            )


def _vectors(bundle: Bundle) -> Mapping[str, NDArray[Any]]:
    names = (bundle.card.input.tensor, bundle.card.output.probability, bundle.card.output.evidence)
    try:
        with zipfile.ZipFile(io.BytesIO(bundle.vectors)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_VECTOR_BYTES:
                raise BadBundle(f"{bundle.card.vectors.file} unpacks to more than {MAX_VECTOR_BYTES >> 20} MB")
        with np.load(io.BytesIO(bundle.vectors), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise BadBundle(f"{bundle.card.vectors.file} cannot be read: {error}") from None


def _listed(sums: bytes) -> dict[str, str]:
    try:
        pairs = [line.split("  ", 1) for line in sums.decode("ascii").splitlines()]
        return {_safe(name): digest for digest, name in pairs}
    except ValueError:
        raise BadBundle(f"{SUMS} is not a list of 'digest  file' lines") from None


def _safe(name: str) -> str:
    if name.startswith("/") or "\\" in name or ":" in name or not all(part.strip(".") for part in name.split("/")):
        raise BadBundle(f"{name!r} is not a path inside a bundle")
    return name


def _proved(folder: Path, name: str, digest: str) -> bytes:
    content = _content(folder, name)
    if hashlib.sha256(content).hexdigest() != digest:
        raise BadBundle(f"{name} was changed: its SHA-256 is not the one in {SUMS}")
    return content


def _content(folder: Path, name: str) -> bytes:
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise BadBundle(f"{name} is missing")
    if path.stat().st_size > MAX_BYTES:
        raise BadBundle(f"{name} is over {MAX_BYTES >> 20} MB")
    return path.read_bytes()


def _refuse_unlisted(folder: Path, listed: Mapping[str, str]) -> None:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_dir() and name not in listed and name not in (SUMS, SIGNATURE):
            raise BadBundle(f"{name} is not listed in {SUMS}")


def _needed(contents: Mapping[str, bytes], name: str) -> bytes:
    if name not in contents:
        raise BadBundle(f"{name} is missing")
    return contents[name]


def _check_signature(folder: Path, sums: bytes, signer: bytes) -> None:
    try:
        key = load_pem_public_key(signer)
        if not isinstance(key, Ed25519PublicKey):
            raise BadBundle("the signer's key is not an Ed25519 public key")
        key.verify(base64.b64decode(_content(folder, SIGNATURE), validate=False), sums)
    except InvalidSignature:
        raise BadBundle(f"{SIGNATURE} was not made by the signer's key over these sums") from None
    except (ValueError, UnsupportedAlgorithm, binascii.Error) as error:
        raise BadBundle(f"the signature cannot be checked: {error}") from None
