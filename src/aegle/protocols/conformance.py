"""The DICOM conformance statement of a site (PS3.2 Annex A), as Markdown, from the tables that the program runs on."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.uid import UID

from aegle.config import Door, Query, Stow
from aegle.deid.classes import CLASSES
from aegle.dicom.identity import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from aegle.dicom.levels import KEYS
from aegle.errors import MEANING
from aegle.protocols import command, identifiers, pdu, qido, query_scp, tls
from aegle.protocols.arriving import SPARE_BYTES
from aegle.protocols.contexts import STORAGE_CLASSES, TRANSFER_SYNTAXES, VERIFICATION
from aegle.protocols.dialogue import Patience
from aegle.protocols.dicomweb_server import archive_routes
from aegle.protocols.listener import MOST_PENDING, VERIFICATION_SYNTAXES
from aegle.protocols.part_reader import PARTS_MAX
from aegle.protocols.query_scp import STUDY_ROOT_FIND, STUDY_ROOT_GET

_NOT_SUPPORTED = (
    (
        "Storage Commitment (PS3.4 Annex J)",
        "It would let a modality delete the only identified original: what a site keeps is de-identified. An "
        "acknowledged "
        "C-STORE means that the object is durable at the site until it is settled, and no more.",
    ),
    ("C-MOVE", "A site sends to the PACS of its own configuration alone, never where a caller says."),
    ("Patient Root and Patient/Study Only models", "Ask by Study Root; Patient ID and Patient's Name are keys there."),
    ("Relational queries, fuzzy matching, extended negotiation", "Queries are hierarchical; matching is literal."),
    ("Modality Worklist, MPPS, UPS, Instance Availability, Print", "No such service."),
    ("Asynchronous operations window", "One operation at a time on each association."),
    ("User identity negotiation", "Peers are known by AE title, address and, with TLS, certificate."),
    ("Transcoding", "Objects are kept and given as they came."),
    ("Media interchange (PS3.10, PS3.11)", "Part 10 files are read and written; no DICOMDIR."),
    (
        "Metadata of more than some 300,000 frames that each say where they lie",
        "Metadata are told whole, for a sequence has no BulkDataURI (PS3.18 §F.2.2). An object whose functional groups would "
        "take more than 128 MB of JSON is held at the door, and refused at the archive's endpoint.",
    ),
    ("WADO-URI, WADL, XML, STOW-RS of metadata with bulk data", "Refused with 404, 406 or 415."),
)
_STATUSES = (
    (0x0000, "stored, whole and durable"),
    (command.Status.INVALID_INSTANCE, "the SOP Instance UID is missing or too long"),
    (command.Status.WRONG_CLASS, "another SOP class than the presentation context's"),
    (command.Status.UNKNOWN_OPERATION, "an operation that is not offered"),
    (command.Status.OUT_OF_RESOURCES, "no room, too large, or not now: send it again later, or see the audit trail"),
    (command.Status.CANNOT_UNDERSTAND, "a command without its data set"),
)
_QUERY_STATUSES = (
    (command.Status.PENDING, "C-FIND: a match, every key supported. C-GET: a sub-operation ended"),
    (command.Status.PENDING_UNMATCHED, "C-FIND: a match, and some key was not used for matching"),
    (0x0000, "complete"),
    (command.Status.SOME_FAILED, "C-GET: complete, with failures or warnings; Failed SOP Instance UID List names them"),
    (command.Status.NOTHING_SENT, "C-GET: no sub-operation succeeded"),
    (command.Status.WRONG_IDENTIFIER, "the level is missing, or the keys do not fit it"),
    (command.Status.OUT_OF_RESOURCES, "more matches or objects than the bounds, or the audit trail cannot be written"),
    (command.Status.CANNOT_UNDERSTAND, "an identifier that cannot be read"),
    (command.Status.CANCELLED, "cancelled by C-CANCEL"),
)


def statement() -> str:
    """Everything after the title."""
    return "\n".join((*_overview(), *_model(), *_door(), *_query(), *_sender(), *_web(), *_rest()))


def _overview() -> Iterator[str]:
    yield "## 1 Overview\n"
    yield (
        "A site takes studies in, de-identifies them, keeps them under aliases, and sends results back under the "
        "real patient. What de-identification does is a [statement of its own](deidentification.md) (PS3.15 Annex "
        "E).\n"
    )
    rows = (
        ("Verification", "yes (`aegle send` first asks)", "yes, every listener"),
        ("Storage", "results, and `aegle send`", "the door"),
        ("Study Root Query/Retrieve: FIND, GET", "no", "yes, off by default; aliases alone"),
        ("STOW-RS", "to an archive of somebody else's", "the door (off by default) and the archive's endpoint"),
        ("QIDO-RS, WADO-RS", "from an archive of somebody else's", "the archive's endpoint; aliases alone"),
        ("Media", "no", "no"),
    )
    yield _table(("service", "as user (SCU)", "as provider (SCP)"), rows)
    yield "### Not supported\n"
    yield _table(("service", "why, or what instead"), _NOT_SUPPORTED)


def _model() -> Iterator[str]:
    yield "## 2 Implementation model\n"
    yield (
        "| application entity | role | default AE title | port |\n|---|---|---|---|\n| door | takes objects in; "
        "the only way for what is identified | the site's name in capitals | `door.port` |\n| query | answers "
        "staff tools from the archive | the site's name, shortened, and `-QR` | `query.port` |\n| sender | "
        "delivers results to the PACS | the door's | - |\n"
    )
    yield (
        "An object that the door acknowledged waits in the spool, is de-identified, checked by another reader, and"
        " then kept in the archive or held in quarantine with a [reason](reasons.md). Results come when the study "
        "is complete; the sender keeps them on disk until the PACS has accepted each, trying again after 1, 2, 4 "
        "... up to 600 seconds.\n"
    )
    yield "### Identification\n"
    rows = (
        ("Implementation Class UID", f"`{IMPLEMENTATION_UID}`"),
        ("Implementation Version Name", f"`{IMPLEMENTATION_NAME}`"),
        ("Application Context", "`1.2.840.10008.3.1.1.1`"),
        ("longest PDU asked for", f"{pdu.LONGEST:,} bytes; of a peer, any from {pdu.SHORTEST:,}, or no limit"),
    )
    yield _table(("", ""), rows)


def _door() -> Iterator[str]:
    yield "## 3 The door (C-ECHO, C-STORE as SCP)\n"
    yield "### Association acceptance\n"
    yield (
        "Only peers of `door.allow` (AE title and source address, with TLS also a certificate) that call the "
        "door's own AE title. Everybody else is rejected (A-ASSOCIATE-RJ) or aborted, and audited within a bound. "
        "Of each presentation context the first transfer syntax in the requestor's order that is in the table "
        "below is accepted. Role selection is not offered.\n"
    )
    rows = tuple(
        (name.replace("_", " ").lower(), _triple(reason.value)) for name, reason in pdu.Rejection.__members__.items()
    )
    yield _table(("rejection", "result, source, reason (PS3.8 Table 9-21)"), rows)
    yield "### Bounds\n"
    yield _table(("", ""), _bounds())
    yield "### Presentation contexts\n"
    yield f"Verification (`{VERIFICATION}`) with {_named(VERIFICATION_SYNTAXES)}.\n"
    yield "Each storage SOP class of the table in the annex, with each of:\n"
    yield _table(("transfer syntax", "UID"), ((UID(uid).name, f"`{uid}`") for uid in TRANSFER_SYNTAXES))
    yield "### Behaviour of C-STORE\n"
    yield (
        "Level 0 (local): which attributes are kept is [de-identification's](deidentification.md). An object is "
        "acknowledged when it is whole and durable. The same bytes again are acknowledged and change nothing. "
        "Other bytes under a known SOP Instance UID are acknowledged and held for a person. Attributes are not "
        "checked against their IOD.\n"
    )
    yield _table(("status", "meaning"), ((f"{status:04X}", text) for status, text in _STATUSES))
    codes = ", ".join(f"{it.code} {it.dimse:04X}" for it in MEANING.values() if it.dimse not in (0xA700, 0xC000))
    yield f"\nOther refusals carry the status of their [code](errors.md): {codes}.\n"


def _bounds() -> Iterator[tuple[str, str]]:
    patience, fields = Patience(), Door.model_fields
    yield "associations at once", f"`door.max_associations`, default {fields['max_associations'].default}"
    yield "connections that have not asked yet", f"{MOST_PENDING}; one more, and the oldest goes"
    yield "TLS handshake and association request", f"{patience.request_s:g} s"
    yield "silence between messages", f"{patience.idle_s:g} s"
    yield "a message", f"{patience.message_s:g} s, and a second for each {patience.slowest_bps:,} bytes of it"
    yield "an object", f"`door.max_instance_mb`, default {fields['max_instance_mb'].default:,} MB"
    yield "what is read of an object beyond that, to answer it", f"{SPARE_BYTES // 1_000_000} MB; then A-ABORT"
    yield "a command set", f"{command.LONGEST:,} bytes"


def _query() -> Iterator[str]:
    yield "## 4 Query/Retrieve (C-ECHO, C-FIND, C-GET as SCP)\n"
    yield (
        "Off unless `query` is in aegle.yaml ([how to](../how-to/query-the-archive.md)). It reads the archive, so "
        "every name, number and UID in it is an alias. Acceptance and bounds are the door's, with `query.allow` "
        f"and `query.max_associations` (default {Query.model_fields['max_associations'].default}).\n"
    )
    rows = (
        ("Study Root Query/Retrieve - FIND", f"`{STUDY_ROOT_FIND}`", _named(identifiers.SYNTAXES), "SCP"),
        ("Study Root Query/Retrieve - GET", f"`{STUDY_ROOT_GET}`", _named(identifiers.SYNTAXES), "SCP"),
        ("each storage class of the annex", "", "each of the door's", "SCU, where the requestor asks to be SCP of it"),
    )
    yield _table(("SOP class", "UID", "transfer syntaxes", "role"), rows)
    yield "### Keys of C-FIND\n"
    yield (
        "Levels STUDY, SERIES and IMAGE; below STUDY the levels above are named by one UID each. Any attribute may"
        " be asked for: at STUDY and SERIES what the archive keeps of them is answered, at IMAGE the whole header,"
        " and what is not there is answered empty. These can be matched; any other key with a value makes the "
        "answers FF01:\n"
    )
    keys = ((keyword_for_tag(int(it.tag, 16)), it.level.value, it.vr, _matching(it.vr)) for it in KEYS)
    yield _table(("attribute", "of a", "VR", "matching (PS3.4 C.2.2.2)"), keys)
    yield (
        f"\nAt most {query_scp.MATCHES_MAX:,} matches, {qido.UIDS_MAX} UIDs in a list, {identifiers.LONGEST:,} "
        f"bytes of identifier; for C-GET {query_scp.RETRIEVED_MAX:,} objects. C-GET takes unique keys alone. An "
        "object whose encoding was not proposed for its class counts as failed.\n"
    )
    yield _table(("status", "meaning"), ((f"{status:04X}", text) for status, text in _QUERY_STATUSES))


def _sender() -> Iterator[str]:
    yield "## 5 The sender (C-STORE as SCU)\n"
    yield (
        "One association for what is due, opened when a result is ready or its next try has come. It proposes, for"
        " each object, its SOP class with the one transfer syntax it has; an object for which no context is "
        "accepted is tried again later and told on the console. Success and warnings (Bxxx) count as accepted; "
        "every other status, an abort and a lost connection lead to another try. Objects are streamed from disk. "
        "Times: 30 s to connect, as much to associate, 60 s for each answer.\n"
    )
    rows = (
        ("Comprehensive SR, or Comprehensive 3D SR for a slide", "Explicit VR Little Endian"),
        ("Secondary Capture Image", "Explicit VR Little Endian"),
    )
    yield _table(("result", "transfer syntax"), rows)
    yield "\n[Result objects](result-objects.md) says what is in them.\n"


def _web() -> Iterator[str]:
    yield "## 6 DICOMweb (PS3.18)\n"
    yield (
        "At the archive's endpoint, with a grant; aliases alone. Parameters, matching, media types and statuses "
        "are on [a page of their own](dicomweb.md), and in the OpenAPI document that `GET /` answers.\n"
    )
    unused: Any = None
    yield _table(("call", "does"), ((f"`{it.method} {it.path}`", it.says) for it in archive_routes(unused)))
    yield (
        "\nAt the door, with a key (`door.stow`, off by default): `POST /studies` and `POST /studies/{study}`, "
        '`multipart/related; type="application/dicom"`. Objects are spooled as those of C-STORE are. No Retrieve URL '
        "is answered: there is nothing to retrieve. At most "
        f"{Stow.model_fields['max_requests'].default} requests at once by default, "
        f"{PARTS_MAX:,} objects in one, 30 s of silence.\n"
    )


def _rest() -> Iterator[str]:
    yield "## 7 Network, configuration, character sets\n"
    yield (
        "TCP/IP, IPv4 and IPv6; TCP_NODELAY on every connection. AE titles, ports, addresses and bounds are "
        "settings of [aegle.yaml](configuration.md); there is no other configuration. No AE title is reserved.\n"
    )
    yield (
        "Every Specific Character Set of PS3.3 C.12.1.1.2 that pydicom decodes is read: ISO_IR 6, 100, 101, 109, "
        "110, 144, 127, 126, 138, 148, 203, 166, 13, 192, GB18030, GBK and the code extensions of ISO 2022. "
        "De-identification keeps the data set's own. Answers of C-FIND are in ISO_IR 192 (UTF-8), JSON is UTF-8.\n"
    )
    yield "## 8 Security\n"
    yield (
        "TLS by the BCP 195 profile (PS3.15 B.12): versions 1.2 and 1.3, no renegotiation, no compression, and for"
        " TLS 1.2 these suites alone:\n"
    )
    yield "\n".join(f"- `{name}`" for name in tls.CIPHERS.split(":"))
    yield (
        "\nAt the door, at Query/Retrieve and towards the PACS both sides show certificates; at STOW-RS the caller"
        " too where `door.stow.tls.authorities` is set. The AE title is checked as well. A listener with TLS "
        "speaks nothing else. De-identification: Basic Application Confidentiality Profile, see [row by "
        "row](deidentification.md). Audit: every association, object and search is an [entry](audit.md) of a "
        "hash-chained trail; the message format of PS3.15 A.5 is not written.\n"
    )
    yield "## Annex: storage SOP classes\n"
    yield (
        "The door accepts every one, so that what de-identification does not know is held with a reason instead of"
        " being refused without one. Private SOP classes are not accepted.\n"
    )
    rows = ((UID(uid).name, f"`{uid}`", "yes" if uid in CLASSES else "held") for uid in STORAGE_CLASSES)
    yield _table(("SOP class", "UID", "de-identified"), rows)


def _matching(vr: str) -> str:
    if vr == "UI":
        return "single value, list of UIDs"
    if vr in ("DA", "TM"):
        return "single value, range"
    if vr == "IS":
        return "single value"
    return "single value, wildcard" + (", list" if vr == "CS" else ", without regard to case" if vr == "PN" else "")


def _named(uids: Iterable[str]) -> str:
    return ", ".join(UID(uid).name for uid in uids)


def _triple(value: tuple[int, int, int]) -> str:
    return ", ".join(map(str, value))


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(heads)
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names), *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"
