"""Our short codes of cytology findings, in the order and words of the Bethesda system 2014.

They are the keys of predictions, labels and pages. Maps to SNOMED CT are data that a deployer with a licence adds.
Source of the terms: Nayar R, Wilbur DC (eds), The Bethesda System for Reporting Cervical Cytology, 3rd ed., Springer 2015.
"""

from dataclasses import dataclass

SCHEME = "99AEGLE"  #: Coding Scheme Designator of these codes in DICOM (private, PS3.3 §8.2)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One class a slide or a region may have."""

    code: str
    name: str
    key: str  #: the key that chooses it in the viewer
    colour: str  #: of its marks, told apart without relying on red and green alone


FINDINGS: tuple[Finding, ...] = (
    Finding(code="NILM", name="Negative for intraepithelial lesion or malignancy", key="1", colour="#1b7f4d"),
    Finding(code="ASC-US", name="Atypical squamous cells of undetermined significance", key="2", colour="#a07800"),
    Finding(code="ASC-H", name="Atypical squamous cells, cannot exclude HSIL", key="3", colour="#c05a00"),
    Finding(code="LSIL", name="Low-grade squamous intraepithelial lesion", key="4", colour="#b5541c"),
    Finding(code="HSIL", name="High-grade squamous intraepithelial lesion", key="5", colour="#b00020"),
    Finding(code="SCC", name="Squamous cell carcinoma", key="6", colour="#6d0018"),
    Finding(code="AGC", name="Atypical glandular cells", key="7", colour="#5b3fa0"),
    Finding(code="AIS", name="Endocervical adenocarcinoma in situ", key="8", colour="#3b2a86"),
    Finding(code="ADENO", name="Adenocarcinoma", key="9", colour="#241a5e"),
    Finding(code="ORGANISM", name="Organisms", key="o", colour="#0b6aa2"),
    Finding(code="REACTIVE", name="Reactive cellular changes", key="r", colour="#34747a"),
    Finding(code="ARTEFACT", name="Artefact, not a cell", key="x", colour="#5a6570"),
    Finding(code="UNSAT", name="Unsatisfactory for evaluation", key="0", colour="#30363d"),
)
BY_CODE = {finding.code: finding for finding in FINDINGS}
