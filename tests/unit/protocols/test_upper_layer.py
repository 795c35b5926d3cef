"""The upper layer's messages and the command sets: pynetdicom reads what we write, we read what it writes, and nothing else
than BadDicom comes of noise."""

from io import BytesIO

import pytest
import rawpeer
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom import AllStoragePresentationContexts
from pynetdicom.dimse_messages import C_ECHO_RQ, C_STORE_RQ, C_STORE_RSP
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.dsutils import decode
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ, A_RELEASE_RP, P_DATA_TF
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
    UserIdentityNegotiation,
)
from pynetdicom.transport import AddressInformation

from aegle.deid.classes import CLASSES
from aegle.errors import BadDicom
from aegle.protocols import command, pdu
from aegle.protocols.contexts import STORAGE_CLASSES, TRANSFER_SYNTAXES
from aegle.protocols.door import SERVED
from aegle.protocols.pdu import AbortReason, Rejection

NOISE = st.binary(max_size=300)


def pynetdicom_request() -> bytes:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "MODALITY-1", "ST-ANNA"
    primitive.calling_presentation_address = AddressInformation("127.0.0.1", 104)
    primitive.called_presentation_address = AddressInformation("127.0.0.1", 104)
    contexts = AllStoragePresentationContexts[:60]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    primitive.presentation_context_definition_list = contexts
    length, implementation, identity = (
        MaximumLengthNotification(),
        ImplementationClassUIDNotification(),
        UserIdentityNegotiation(),
    )
    length.maximum_length_received = 16_382
    implementation.implementation_class_uid = "1.2.3"
    identity.user_identity_type, identity.primary_field = 1, b"somebody"
    primitive.user_information = [length, implementation, identity]
    made = A_ASSOCIATE_RQ()
    made.from_primitive(primitive)
    return bytes(made.encode())


def test_a_request_of_pynetdicom_is_understood() -> None:
    read = pdu.read_request(pynetdicom_request()[6:])
    assert (read.calling, read.called, len(read.proposals)) == ("MODALITY-1", "ST-ANNA", 60)
    assert read.proposals[1].number == 3
    assert pdu.speaks_dicom(read)
    agreed = pdu.agree(read, SERVED)
    assert {number: context.abstract for number, context in agreed.items()} == {
        item.number: item.abstract for item in read.proposals
    }


def test_our_answers_are_what_pynetdicom_expects() -> None:
    read = pdu.read_request(pynetdicom_request()[6:])
    agreed = pdu.agree(read, {read.proposals[0].abstract: TRANSFER_SYNTAXES})
    accepted = A_ASSOCIATE_AC()
    accepted.decode(pdu.accept(read, agreed, SERVED.keys()))
    results = accepted.to_primitive().presentation_context_definition_results_list
    assert [context.result for context in results] == [0] + [4] * 59
    assert accepted.user_information.maximum_length == pdu.LONGEST
    for reason in Rejection:
        rejected = A_ASSOCIATE_RJ()
        rejected.decode(pdu.reject(reason))
        assert (rejected.result, rejected.source, rejected.reason_diagnostic) == reason.value
        assert "(reserved)" not in rejected.reason_str
    for abort in AbortReason:
        aborted = A_ABORT_RQ()
        aborted.decode(pdu.abort(abort))
        assert (aborted.source, aborted.reason_diagnostic) == (2, abort)
    A_RELEASE_RP().decode(pdu.release())


def test_commands_of_pynetdicom_are_understood_and_it_understands_the_answer() -> None:
    primitive = C_STORE()
    primitive.MessageID, primitive.AffectedSOPClassUID = 513, rawpeer.CT_CLASS
    primitive.AffectedSOPInstanceUID, primitive.Priority, primitive.DataSet = "1.2.3", 2, BytesIO(b"xx")
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    first = next(message.encode_msg(1, 16_382))
    read = command.read(first.presentation_data_value_list[0][1][1:])
    assert (read.field, read.message, read.sop_class) == (command.Field.STORE, 513, rawpeer.CT_CLASS)
    assert (read.sop_instance, read.has_data_set) == ("1.2.3", True)
    sent = P_DATA_TF()
    sent.decode(pdu.command(1, command.answer(read, 0xA700)))
    content = sent.presentation_data_value_items[0].presentation_data_value[1:]
    answer = C_STORE_RSP()
    answer.command_set = decode(BytesIO(content), True, True)
    understood = answer.command_set
    assert (understood.Status, understood.MessageIDBeingRespondedTo) == (0xA700, 513)
    assert understood.CommandGroupLength == len(content) - 12
    assert (understood.AffectedSOPInstanceUID, understood.CommandField) == ("1.2.3", 0x8001)


def test_an_echo_has_no_data_set() -> None:
    primitive = C_ECHO()
    primitive.MessageID, primitive.AffectedSOPClassUID = 1, rawpeer.VERIFICATION
    message = C_ECHO_RQ()
    message.primitive_to_message(primitive)
    first = next(message.encode_msg(1, 16_382))
    assert not command.read(first.presentation_data_value_list[0][1][1:]).has_data_set


@pytest.mark.parametrize("sop_class", list(CLASSES))
def test_every_class_that_may_be_admitted_finds_a_context(sop_class: str) -> None:
    assert sop_class in STORAGE_CLASSES


@pytest.mark.parametrize(
    "contexts",
    [
        b"",
        rawpeer.context(2, "1.2", "1.3"),
        rawpeer.context(1, "1.2"),
        rawpeer.context(1, "1.2", "1.3") * 2,
        rawpeer.item(0x20, b"\1\0\0\0" + rawpeer.item(0x40, b"1.2")),
        rawpeer.CONTEXTS[:-2],
        b"\x20\0\xff",
    ],
)
def test_a_request_that_breaks_the_standard_is_refused(contexts: bytes) -> None:
    with pytest.raises(BadDicom):
        pdu.read_request(rawpeer.request(contexts)[6:-30] if contexts[:3] == b"\x20\0\xff" else broken(contexts))


def broken(contexts: bytes) -> bytes:
    return rawpeer.request(contexts)[6:]


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, 400), noise=NOISE)
def test_noise_in_a_request_is_understood_or_refused(at: int, noise: bytes) -> None:
    whole = rawpeer.request()[6:]
    try:
        read = pdu.read_request(whole[:at] + noise + whole[at + len(noise) :])
    except BadDicom:
        return
    pdu.accept(read, pdu.agree(read, SERVED), SERVED.keys())


@settings(max_examples=300, deadline=None)
@given(noise=NOISE)
def test_noise_in_data_or_a_command_is_understood_or_refused(noise: bytes) -> None:
    for parse in (lambda: list(pdu.fragments(memoryview(noise))), lambda: command.read(noise)):
        try:
            parse()
        except BadDicom:
            continue


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 3), st.integers(0, 255)), max_size=5))
def test_fragments_come_out_as_they_were_put_in(values: list[tuple[bytes, int, int]]) -> None:
    body = b"".join(rawpeer.value(content, number=number, flags=flags) for content, flags, number in values)
    found = [(bytes(f.content), f.is_command + 2 * f.is_last, f.context) for f in pdu.fragments(memoryview(body))]
    assert found == values
