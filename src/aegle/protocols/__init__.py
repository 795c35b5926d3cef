"""DIMSE and DICOMweb, both ends; what to do with an object is passed in."""
