"""Pure DICOM: header walk, frame index, result objects; no network, no storage."""
