"""Make the bundle of a trained model, and sign it.

    python training/pack.py TRAINED_FOLDER BUNDLE_FOLDER SIGNING_KEY

SIGNING_KEY is a PEM Ed25519 private key, made here (mode 0600) where it does not exist; keep it out of the repository.
The public key is written beside the bundle.
"""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aegle.inference.bundle import Bundle, load, pack, prove
from aegle.inference.process import ModelProcess

NAME, VERSION = "papnet", "1.0.0"
NOTICE = "Reference model trained on drawn pictures. Synthetic, not for clinical use."
ROOT = Path(__file__).parents[1]
CLASSES = (
    ("NILM", "Negative for intraepithelial lesion or malignancy", False),
    ("LSIL", "Low-grade squamous intraepithelial lesion", True),
    ("HSIL", "High-grade squamous intraepithelial lesion", True),
)


def metadata(figures: dict[str, Any]) -> dict[str, Any]:
    """`configs/metadata.json`: MONAI's keys, and ours under `aegle`."""
    codes = {str(place): code for place, (code, _, _) in enumerate(CLASSES)}
    image = {"type": "image", "format": "rgb", "num_channels": 3, "spatial_shape": [128, 128], "dtype": "uint8",
             "value_range": [0, 255], "is_patch_data": True, "channel_def": {"0": "R", "1": "G", "2": "B"}}  # fmt: skip
    answer = {"type": "probabilities", "format": "classes", "num_channels": 3, "spatial_shape": [1],
              "dtype": "float32", "value_range": [0, 1], "is_patch_data": True, "channel_def": codes}  # fmt: skip
    return {
        "version": VERSION,
        "changelog": {VERSION: "first"},
        "numpy_version": np.__version__,
        "required_packages_version": {"onnxruntime": onnxruntime.__version__},
        "name": NAME,
        "task": "Cervical cytology classification of drawn pictures",
        "description": NOTICE,
        "authors": "The Aegle authors",
        "copyright": "The Aegle authors, Apache-2.0",
        "intended_use": NOTICE,
        "data_type": "DICOM",
        "eval_metrics": figures["held_out_studies"],
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": answer}},
        "aegle": facts(figures),
    }


def facts(figures: dict[str, Any]) -> dict[str, Any]:
    """What the platform must know (`aegle.inference.card`)."""
    return {
        "format": 1,
        "synthetic": True,
        "intended_use": NOTICE,
        "input": {
            "tensor": "image", "layout": "NHWC", "dtype": "uint8", "tile_px": 128, "mpp": 1.0,
            "source_mpp": [0.1, 1.25],
            "sop_classes": [
                "1.2.840.10008.5.1.4.1.1.77.1.2",  # VL Microscopic
                "1.2.840.10008.5.1.4.1.1.77.1.3",  # VL Slide-Coordinates Microscopic
                "1.2.840.10008.5.1.4.1.1.77.1.6",  # VL Whole Slide Microscopy
            ],
        },
        "output": {"probability": "probability", "evidence": "evidence", "stride_px": 16},
        "classes": [{"code": code, "name": name, "abnormal": abnormal} for code, name, abnormal in CLASSES],
        "pooling": {"share": 0.02, "least": 2},
        "operating_point": {"threshold": figures["calibration_studies"]["threshold"], "policy": "bundle-default"},
        "quality": {"focus_min": 0.75, "cells_per_mm2_min": 60,
                    "stain_min": [0.18, 0.25, 0.22], "stain_max": [0.50, 0.50, 0.40]},
        "vectors": {"file": "tests/vectors.npz", "atol": 1e-4},
    }  # fmt: skip


def readme(figures: dict[str, Any]) -> str:
    """The model card."""
    chosen_line = f"threshold {figures['calibration_studies']['threshold']}"
    same, unseen = figures["tiles_same_laboratories"], figures["tiles_unseen_laboratory"]
    studies = figures["held_out_studies"]
    row = "| {} | {} | {} |"
    table = "\n".join(
        (
            row.format("tiles, the two laboratories of training", same["auc_abnormal"], _more(same)),
            row.format("tiles, a laboratory never trained on", unseen["auc_abnormal"], _more(unseen)),
            row.format(f"studies of all three, {chosen_line}", studies["auc"], _rates(studies)),
        )
    )
    return f"""# {NAME} {VERSION}

**{NOTICE}** It has never seen a real cell; its figures say that the platform works, and nothing about patients.

A fully convolutional network of {figures["parameters"]:,} parameters reads tiles of 128 x 128 px at 1.0 micrometre
per pixel and gives NILM, LSIL, HSIL. Its second output, evidence for LSIL and HSIL in each cell of 16 x 16 px, is what
the first is pooled from. A study's scores are the mean over its most abnormal tiles (2 %, at least two).

| held out, drawn with other seeds | AUC abnormal | more |
|---|---|---|
{table}

Drawn pictures are far easier than real ones. Known limits: a picture out of focus gets a score that means nothing,
hence the quality gate; the threshold was chosen on 120 drawn studies.
"""


def _more(tiles: dict[str, float]) -> str:
    return f"HSIL {tiles['auc_hsil']}, accuracy {tiles['accuracy']}"


def _rates(studies: dict[str, float]) -> str:
    return f"sensitivity {studies['sensitivity']}, specificity {studies['specificity']}"


def vectors(model: bytes, image: Any) -> bytes:
    """Test inputs with what the runtime answers here, as `.npz`."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    probability, evidence = session.run(["probability", "evidence"], {"image": image})
    stream = io.BytesIO()
    np.savez_compressed(stream, image=image, probability=probability, evidence=evidence)
    return stream.getvalue()


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The key at `path`, made there where there is none."""
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise SystemExit(f"{path} is not an Ed25519 private key")
        return key
    made = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(
        made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


def main(trained: Path, folder: Path, key_path: Path) -> Bundle:
    """Pack, sign, prove."""
    figures = json.loads((trained / "figures.json").read_text())
    model = (trained / "model.onnx").read_bytes()
    with np.load(trained / "vectors.npz") as arrays:
        image = arrays["image"]
    files = {
        "configs/metadata.json": json.dumps(metadata(figures), indent=1).encode() + b"\n",
        "models/model.onnx": model,
        "tests/vectors.npz": vectors(model, image),
        "docs/README.md": readme(figures).encode(),
        "docs/figures.json": (trained / "figures.json").read_bytes(),
        "LICENSE": (ROOT / "LICENSE").read_bytes(),
    }
    key = signing_key(key_path)
    pack(folder, files, key=key)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder.parent / f"{NAME}.pub").write_bytes(public)
    bundle = load(folder, signer=public)
    with ModelProcess(bundle.model, bundle.card) as process:
        prove(bundle, process)
    return bundle


if __name__ == "__main__":
    print(main(*(Path(argument) for argument in sys.argv[1:4])).ref)
