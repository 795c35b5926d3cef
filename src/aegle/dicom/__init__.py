"""Pure DICOM: nothing here opens a network or a database."""
