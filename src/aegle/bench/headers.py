"""Themes of the header: encodings, depths, private creators, character sets, dates, and identity in the wrong place."""

import unicodedata

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from aegle.bench.answers import Leak
from aegle.bench.draft import Draft, parts
from aegle.bench.objects import CR, ENHANCED_CT, MAMMOGRAPHY, MR, NM, PET, axial_ct, code
from aegle.bench.people import SCRIPTS, draw_person


def implicit(draft: Draft) -> None:
    """Implicit VR."""
    axial_ct(draft).file_meta.TransferSyntaxUID = ImplicitVRLittleEndian


def big_endian(draft: Draft) -> None:
    """The retired big endian syntax, still in old archives."""
    axial_ct(draft).file_meta.TransferSyntaxUID = ExplicitVRBigEndian


def deflated(draft: Draft) -> None:
    """A deflated data set: a raw search of the file sees nothing of it."""
    axial_ct(draft).file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian


def magnetic(draft: Draft) -> None:
    """MR with its protocol and coil."""
    ds = axial_ct(draft, MR, "MR")
    ds.ImageType, ds.MagneticFieldStrength, ds.EchoTime, ds.RepetitionTime = (
        ["ORIGINAL", "PRIMARY", "M"],
        "3",
        "92",
        "4500",
    )
    ds.ScanningSequence, ds.SequenceVariant, ds.MRAcquisitionType = "SE", "SK", "2D"
    draft.plant(ds, "ProtocolName", f"t2 {draft.person.family} repeat", Leak.TEXT)
    draft.keep("MagneticFieldStrength", "EchoTime", "RepetitionTime", "ScanningSequence")


def positron(draft: Draft) -> None:
    """PET: dates of the radiopharmaceutical, administered by somebody."""
    ds = axial_ct(draft, PET, "PT")
    ds.ImageType, ds.Units, ds.DecayCorrection = ["ORIGINAL", "PRIMARY"], "BQML", "START"
    given = Dataset()
    given.Radiopharmaceutical, given.RadionuclideTotalDose = "Fluorodeoxyglucose", "351000000"
    draft.plant(given, "RadiopharmaceuticalStartDateTime", f"{draft.person.study_date}093000", Leak.DATE)
    given.RadionuclideCodeSequence = [code("77004003", "SCT", "^18^Fluorine")]
    ds.RadiopharmaceuticalInformationSequence = [given]
    draft.keep("Units", "RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose")
    draft.keep("RadiopharmaceuticalInformationSequence[0].RadionuclideCodeSequence[0].CodeValue")


def nuclear(draft: Draft) -> None:
    """NM with somebody's name in a view's free words."""
    ds = axial_ct(draft, NM, "NM")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]
    draft.plant(ds, "ImageComments", f"{draft.person.family} moved", Leak.TEXT)


def mammography(draft: Draft) -> None:
    """A mammogram that names its technician, with the compression that was used."""
    ds = axial_ct(draft, MAMMOGRAPHY, "MG")
    ds.ImageType, ds.BurnedInAnnotation = ["ORIGINAL", "PRIMARY"], "NO"
    ds.ImageLaterality, ds.CompressionForce, ds.BodyPartThickness = "L", "98", "51"
    draft.plant(ds, "DetectorID", draft.person.serial, Leak.DEVICE)
    draft.plant(
        ds, "AcquisitionDeviceProcessingDescription", f"as {draft.person.operator.split('^')[0]} likes", Leak.TEXT
    )
    draft.keep("ImageLaterality", "CompressionForce", "BodyPartThickness")


def undefined_lengths(draft: Draft) -> None:
    """Sequences and items of undefined length, nested."""
    ds = axial_ct(draft)
    ds.RequestAttributesSequence = [_request(draft)]
    for sequence in (ds["RequestAttributesSequence"], ds["OtherPatientIDsSequence"]):
        sequence.is_undefined_length = True
        for item in sequence.value:
            item.is_undefined_length_sequence_item = True


def _request(draft: Draft) -> Dataset:
    who, item = draft.person, Dataset()
    draft.plant(item, "RequestedProcedureID", f"RP{who.accession[3:]}", Leak.NUMBER)
    draft.plant(item, "ScheduledProcedureStepID", f"SP{who.accession[3:]}", Leak.NUMBER)
    draft.plant(item, "ReasonForTheRequestedProcedure", f"{who.family} asks again", Leak.TEXT)
    draft.plant(item, "RequestingPhysician", who.physician, Leak.STAFF)
    step = code("T-1", "99SITE", "Pelvis with contrast")
    item.RequestedProcedureCodeSequence = [step]
    return item


def unknown_vr_sequence(draft: Draft) -> None:
    """A known sequence written as UN, its items therefore implicit little endian (PS3.5 §6.2.2)."""
    ds = axial_ct(draft)
    who = draft.person
    inner = _element(0x0010, 0x0010, who.name.encode("latin-1")) + _element(0x0010, 0x0020, who.patient_id.encode())
    item = b"\xfe\xff\x00\xe0" + len(inner).to_bytes(4, "little") + inner
    tag = Tag(0x00081140)
    ds[tag] = RawDataElement(tag, "UN", len(item), item, 0, False, True)
    draft.note(Leak.NAME, "ReferencedImageSequence as UN", *parts(who.name))


def _element(group: int, element: int, value: bytes) -> bytes:
    value += b" " * (len(value) % 2)
    return b"".join(part.to_bytes(2, "little") for part in (group, element)) + len(value).to_bytes(4, "little") + value


def private_creators(draft: Draft) -> None:
    """Private blocks at the top, in an item, in a private sequence, and in a group of no creator at all."""
    ds, who = axial_ct(draft), draft.person
    for holder in (ds, ds.OtherPatientIDsSequence[0]):
        block = holder.private_block(0x0029, "ACME CSA HEADER", create=True)
        block.add_new(0x10, "LO", who.family)
        block.add_new(0x11, "OB", f"\0\1{who.name}\0{who.patient_id}".encode())
        block.add_new(0x12, "UN", who.name.encode("utf-16-le"))
    inside = Dataset()
    inside.PatientName = who.name
    inside.private_block(0x0031, f"MADE FOR {who.family}", create=True).add_new(1, "ST", who.street)
    ds.private_block(0x0031, "ACME SEQ", create=True).add_new(2, "SQ", Sequence([inside]))
    ds.add_new(0x00331055, "LO", who.family)
    draft.note(Leak.PRIVATE, "private blocks", *parts(who.name), who.patient_id, who.street)


def after_the_pixels(draft: Draft) -> None:
    """Groups above the pixel data, a digital signature with a certificate's subject, padding with words in it."""
    ds, who = axial_ct(draft), draft.person
    signature = Dataset()
    signature.MACIDNumber, signature.DigitalSignatureUID = 1, draft.uid("signature")
    signature.CertificateType, signature.Signature = "X509_1993_SIG", bytes(64)
    signature.CertificateOfSigner = f"CN={who.operator}, O={who.hospital}".encode().ljust(120, b"\0")
    ds.DigitalSignaturesSequence = [signature]
    ds.DataSetTrailingPadding = f"{who.family} {who.patient_id}".encode().ljust(64, b"\0")
    draft.note(Leak.HIDDEN, "DataSetTrailingPadding", who.family, who.patient_id)
    draft.note(Leak.HIDDEN, "CertificateOfSigner", who.hospital)


def trailing_bytes(draft: Draft) -> None:
    """Bytes after the data set, as interrupted transfers and careless writers leave them."""
    who = axial_ct(draft) and draft.person
    draft.after = f"\0\0EXPORT {who.name} {who.patient_id} {who.birth_date}\0\0".encode("latin-1")
    draft.note(Leak.HIDDEN, "after the data set", *parts(who.name), who.patient_id)


def preamble(draft: Draft) -> None:
    """Words in the preamble, AE titles and private information in the file meta group."""
    ds, who = axial_ct(draft), draft.person
    draft.before = f"II*\0{who.name} {who.patient_id}".encode("latin-1").ljust(128, b"\0")
    draft.note(Leak.META, "preamble", *parts(who.name), who.patient_id)
    meta = ds.file_meta
    meta.SourceApplicationEntityTitle, meta.SendingApplicationEntityTitle = who.station, who.station
    meta.PrivateInformationCreatorUID, meta.PrivateInformation = (
        UID("1.2.826.0.1.3680043.10.9"),
        who.name.encode() + b"\0",
    )
    draft.note(Leak.META, "file meta", who.station)


def every_date(draft: Draft) -> None:
    """Dates and times wherever an IOD has them, also in another calendar, and one in the future."""
    ds, who = axial_ct(draft), draft.person
    day = who.study_date
    for keyword in (
        "AcquisitionDate",
        "InstanceCreationDate",
        "PerformedProcedureStepStartDate",
        "DateOfSecondaryCapture",
    ):
        draft.plant(ds, keyword, day, Leak.DATE)
    for keyword in ("LastMenstrualDate", "AdmittingDate", "DateOfLastCalibration", "DateOfLastDetectorCalibration"):
        draft.plant(ds, keyword, day[:6] + "01", Leak.DATE)
    draft.plant(ds, "AcquisitionDateTime", f"{day}101502.500000+0100", Leak.DATE)
    draft.note(Leak.DATE, "AcquisitionDateTime", f"{day}1015")
    draft.plant(ds, "PatientBirthDateInAlternativeCalendar", f"13{who.birth_date[2:]}", Leak.DATE)
    ds.PatientAlternativeCalendar, ds.PatientBirthTime, ds.TimezoneOffsetFromUTC = "HEBREW", "031500", "+0100"


def original_attributes(draft: Draft) -> None:
    """A correction that still carries what was corrected, three levels down."""
    ds, who = axial_ct(draft), draft.person
    was = Dataset()
    draft.plant(was, "PatientName", f"{who.mother.split('^')[0]}^{who.given}", Leak.NAME)
    draft.plant(was, "PatientID", who.insurance, Leak.NUMBER)
    was.RequestAttributesSequence = [_request(draft)]
    correction = Dataset()
    correction.ModifiedAttributesSequence, correction.ReasonForTheAttributeModification = [was], "CORRECT"
    draft.plant(correction, "SourceOfPreviousValues", who.hospital, Leak.PLACE)
    draft.plant(correction, "ModifyingSystem", who.station, Leak.DEVICE)
    draft.plant(correction, "AttributeModificationDateTime", f"{who.study_date}120000", Leak.DATE)
    ds.OriginalAttributesSequence = [correction]


def deep(draft: Draft) -> None:
    """Twelve sequences within each other, a name at the bottom."""
    ds, who = axial_ct(draft), draft.person
    holder = ds
    for _ in range(12):
        item = Dataset()
        holder.ReferencedStudySequence = [item]
        holder = item
    draft.plant(holder, "PatientName", who.name, Leak.NAME)
    draft.plant(holder, "ReferencedSOPInstanceUID", draft.uid("deep"), Leak.UID)


def wrong_vr(draft: Draft) -> None:
    """Names in attributes that hold codes, numbers and ages."""
    ds, who = axial_ct(draft), draft.person
    for tag, vr in ((0x00180015, "CS"), (0x00180060, "LO"), (0x00101010, "LO")):
        ds[tag] = DataElement(tag, vr, who.family.upper()[:16])
    draft.kept = [path for path in draft.kept if path not in {"BodyPartExamined", "KVP"}]
    draft.note(Leak.KEPT, "BodyPartExamined, KVP, PatientAge", who.family)


def kept_attributes(draft: Draft) -> None:
    """The patient's own name and number in words about the picture, in other cases and orders."""
    ds, who = axial_ct(draft), draft.person
    ds.ManufacturerModelName = f"Scanner of {who.given} {who.family}".upper()
    ds.ConvolutionKernel, ds.FilterType = who.family.lower(), f"for {who.patient_id}"
    ds.SoftwareVersions = ["VA48A", f"{who.family}, {who.given}"]
    draft.kept = [path for path in draft.kept if path not in {"ManufacturerModelName", "ConvolutionKernel"}]
    draft.note(Leak.KEPT, "ManufacturerModelName, ConvolutionKernel", *parts(who.name), who.patient_id)


def strangers_words(draft: Draft) -> None:
    """Somebody else's name in words about the picture: no list of this patient's identifiers finds it."""
    ds, stranger = axial_ct(draft), draw_person(draft.rng)
    ds.Manufacturer, ds.ConvolutionKernel = f"Workshop {stranger.mother.split('^')[1]}", f"{stranger.given} sharp"[:16]
    ds.ProcedureCodeSequence = [code(stranger.patient_id, "99SITE", f"As ordered by Dr {stranger.given}")]
    ds.ContrastBolusRoute, ds.DetectorManufacturerName = stranger.phone, f"for {stranger.town}"
    draft.kept = [path for path in draft.kept if path not in {"Manufacturer", "ConvolutionKernel"}]
    draft.note(Leak.KEPT, "Manufacturer, DetectorManufacturerName", stranger.mother.split("^")[1], stranger.town)
    draft.note(Leak.KEPT, "ConvolutionKernel, CodeValue, CodeMeaning", stranger.given, stranger.patient_id)
    draft.note(Leak.KEPT, "ContrastBolusRoute", stranger.phone)


def spelled_otherwise(draft: Draft) -> None:
    """The patient's name without its accents, decomposed or transliterated, and the birth date as people write it."""
    ds = axial_ct(draft, charset="ISO_IR 192")
    born = draft.person.birth_date
    draft.plant(ds, "PatientName", "Müßigbrödt^Käthelinde", Leak.NAME)
    ds.Manufacturer, ds.FilterType = "Made for Mussigbrodt", "Muessigbroedt"
    ds.DetectorManufacturerName = unicodedata.normalize("NFD", "Müßigbrödt")
    ds.SoftwareVersions, ds.ReconstructionMethod = (
        ["VA48A", "MUESSIGBROEDT K."],
        f"born {born[6:]}.{born[4:6]}.{born[:4]}",
    )
    draft.kept.remove("Manufacturer")
    draft.note(Leak.KEPT, "Manufacturer, FilterType", "Mussigbrodt", "Muessigbroedt")
    draft.note(Leak.KEPT, "DetectorManufacturerName", unicodedata.normalize("NFD", "Müßigbrödt"))
    draft.note(Leak.KEPT, "ReconstructionMethod", f"{born[6:]}.{born[4:6]}.{born[:4]}")


def numbers_in_numbers(draft: Draft) -> None:
    """The patient's number where counts belong, in a stack's name, and in a code's value."""
    ds, who = axial_ct(draft), draft.person
    digits = who.patient_id.removeprefix("MRN")
    draft.plant(ds, "PatientID", digits, Leak.NUMBER)
    ds.AcquisitionNumber, ds.TemporalPositionIdentifier = digits, digits
    ds.AnatomicRegionSequence = [code(digits, "99SITE", "Uterine cervix")]
    ds.PerformedStationNameCodeSequence = [code(who.station, "99SITE", f"Room of {who.ward}")]
    draft.note(Leak.KEPT, "AcquisitionNumber, CodeValue", digits)
    draft.keep("AnatomicRegionSequence[0].CodeMeaning")


def lookup_tables(draft: Draft) -> None:
    """Names in the binary tables that a grey value passes through, and in their explanations."""
    ds, who = axial_ct(draft), draft.person
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [64, 0, 16], "HU"
    table.LUTExplanation = f"window of {who.operator.split('^')[0]}"
    table.add_new(0x00283006, "OW", who.name.encode("latin-1").ljust(128, b"\0"))
    ds.VOILUTSequence = [table]
    ds.WindowCenter, ds.WindowWidth, ds.WindowCenterWidthExplanation = "40", "400", who.family
    draft.keep("WindowCenter", "WindowWidth")
    draft.note(Leak.KEPT, "LUTData, LUTExplanation", *parts(who.name), who.operator.split("^")[0])
    draft.clean = False


def unknown_private_sequence(draft: Draft) -> None:
    """A private sequence as UN of undefined length, and group lengths as old writers leave them."""
    ds, who = axial_ct(draft), draft.person
    inner = _element(0x0010, 0x0010, who.name.encode("latin-1")) + _element(0x0009, 0x1001, who.patient_id.encode())
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + inner + b"\xfe\xff\x0d\xe0\0\0\0\0"
    ds.private_block(0x0009, "ACME UNKNOWN", create=True)
    tag = Tag(0x00091010)
    ds[tag] = RawDataElement(tag, "UN", 0xFFFFFFFF, item, 0, False, True)
    ds.add_new(0x00080000, "UL", 4711)
    draft.note(Leak.PRIVATE, "private UN of undefined length", *parts(who.name), who.patient_id)


def links(draft: Draft) -> None:
    """URLs, AE titles, unlimited text and e-mail."""
    ds, who = axial_ct(draft), draft.person
    draft.plant(ds, "RetrieveURL", f"https://pacs.{who.town.lower()}.example/{who.patient_id}", Leak.TEXT)
    draft.note(Leak.TEXT, "RetrieveURL", who.patient_id)
    draft.plant(ds, "RetrieveAETitle", who.station, Leak.DEVICE)
    draft.plant(ds, "RequestedProcedureDescription", f"for {who.family}", Leak.TEXT)
    draft.plant(ds, "ImageComments", f"call {who.phone}", Leak.TEXT)
    draft.plant(ds, "PerformedProcedureStepDescription", f"{who.given} at {who.ward}", Leak.TEXT)
    draft.plant(ds, "DerivationDescription", f"resampled for {who.physician.split('^')[0]}", Leak.TEXT)
    draft.plant(ds, "Occupation", f"Mayor of {who.town}", Leak.TEXT)


def encrypted_originals(draft: Draft) -> None:
    """Encrypted attributes of an earlier pass, and the photograph of a patient that a PACS links to."""
    ds, who = axial_ct(draft), draft.person
    sealed = Dataset()
    sealed.EncryptedContentTransferSyntaxUID, sealed.EncryptedContent = (
        "1.2.840.10008.1.2.1",
        who.name.encode().ljust(64, b"\0"),
    )
    ds.EncryptedAttributesSequence = [sealed]
    ds.PatientIdentityRemoved, ds.DeidentificationMethod = "YES", f"By hand, {who.operator.split('^')[0]}"
    draft.note(Leak.TEXT, "DeidentificationMethod", who.operator.split("^")[0])
    draft.note(Leak.HIDDEN, "EncryptedContent", who.family)


def enhanced(draft: Draft) -> None:
    """Per-frame functional groups, each with a date, a comment and UIDs of its own."""
    ds, who = axial_ct(draft, ENHANCED_CT), draft.person
    ds.NumberOfFrames, ds.PixelData = 3, ds.PixelData * 3
    ds.PerFrameFunctionalGroupsSequence = [_frame(draft, n) for n in range(3)]
    draft.plant(ds, "DimensionOrganizationUID", draft.uid("dimension"), Leak.UID)
    draft.keep("PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[0].ImagePositionPatient", "NumberOfFrames")
    draft.note(Leak.TEXT, "FrameComments", who.family)


def _frame(draft: Draft, n: int) -> Dataset:
    who, item, content, plane = draft.person, Dataset(), Dataset(), Dataset()
    draft.plant(content, "FrameAcquisitionDateTime", f"{who.study_date}10150{n}", Leak.DATE)
    content.FrameComments, content.StackID = f"{who.family} breathes", "1"
    plane.ImagePositionPatient = ["0", "0", str(n)]
    item.FrameContentSequence, item.PlanePositionSequence = [content], [plane]
    reference = Dataset()
    reference.ReferencedSOPClassUID = ENHANCED_CT
    draft.plant(reference, "ReferencedSOPInstanceUID", draft.uid(f"reference {n}"), Leak.UID)
    item.ReferencedImageSequence = [reference]
    return item


def overlay_and_curve(draft: Draft) -> None:
    """Overlay planes and retired curves that carry words, in repeating groups."""
    ds, who = axial_ct(draft, CR, "CR"), draft.person
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    for tag, vr, value in (
        (0x60020010, "US", 16), (0x60020011, "US", 16), (0x60020040, "CS", "G"), (0x60020050, "SS", [1, 1]),
        (0x60020100, "US", 1), (0x60020102, "US", 0), (0x60020022, "LO", f"drawn for {who.family}"),
        (0x60021500, "LO", who.given), (0x60023000, "OW", who.name.encode().ljust(32, b"\0")),
        (0x50000022, "LO", who.family), (0x50000110, "US", 1), (0x50003000, "OW", who.name.encode().ljust(32, b"\0")),
    ):  # fmt: skip
        ds.add_new(tag, vr, value)
    draft.note(Leak.TEXT, "OverlayDescription, OverlayData, CurveData", *parts(who.name))


def odd_values(draft: Draft) -> None:
    """Several names in one attribute, empty components, ideographic padding, values padded with zeros."""
    ds, who = axial_ct(draft), draft.person
    draft.plant(ds, "OtherPatientNames", [who.mother, f"{who.given}^{who.family}"], Leak.NAME)
    draft.plant(ds, "PatientName", f"^^{who.family}^^{who.given}=", Leak.NAME)
    draft.plant(ds, "PatientTelephoneNumbers", [who.phone, f"0{who.phone[3:]}"], Leak.PLACE)
    ds.ResponsiblePerson, ds.PatientReligiousPreference, ds.EthnicGroup = who.mother, "OLD CATHOLIC", "SORBIAN"
    draft.note(Leak.TEXT, "PatientReligiousPreference, EthnicGroup", "OLD CATHOLIC", "SORBIAN")


def script(draft: Draft) -> None:
    """A patient's name in one of the scripts of PS3.5, also within an item and in free text."""
    charset, _, name = SCRIPTS[draft.number % len(SCRIPTS)]
    terms = charset.split("\\")
    ds = axial_ct(draft)
    ds.SpecificCharacterSet = terms if len(terms) > 1 else charset
    draft.plant(ds, "PatientName", name, Leak.NAME)
    inner = Dataset()
    draft.plant(inner, "PatientName", name, Leak.NAME)
    ds.ReferencedPatientSequence = [inner]
    draft.plant(ds, "ImageComments", f"{parts(name)[0]} again", Leak.TEXT)
    draft.note(Leak.TEXT, "ImageComments", parts(name)[0])


def script_in_kept_text(draft: Draft) -> None:
    """The same, and the name once more where only words about the picture belong."""
    script(draft)
    family = parts(draft.dataset.PatientName.ideographic or str(draft.dataset.PatientName))[0]
    draft.dataset.FilterType = f"for {family}"[:16]
    draft.note(Leak.KEPT, "FilterType", family)
