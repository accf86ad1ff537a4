"""Frames of a WebSocket that are read and written beside `websockets`: the same bytes, and nothing else."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from whimbrel.relay.frames import PING, frame_of, frame_size, whole_message

SIZES = [0, 1, 125, 126, 127, 65535, 65536, 70_000]


@pytest.mark.parametrize("size", SIZES)
def test_frames_are_those_of_websockets(size: int) -> None:
    message = os.urandom(size)
    assert frame_of(message) == Frame(Opcode.BINARY, message).serialize(mask=False)
    masked = Frame(Opcode.BINARY, message).serialize(mask=True)
    assert whole_message(masked) == message
    assert frame_size(masked, 0) == len(masked)
    assert Frame(Opcode.PING, b"").serialize(mask=False) == PING


@given(st.binary(max_size=300), st.sampled_from(list(Opcode)), st.booleans(), st.booleans())
def test_only_whole_masked_binary_frames_are_messages(
    content: bytes, opcode: Opcode, fin: bool, mask: bool
) -> None:
    control = opcode in (Opcode.CLOSE, Opcode.PING, Opcode.PONG)
    frame = Frame(opcode, content[:125] if control else content, fin or control).serialize(mask=mask)
    assert frame_size(frame, 0) == len(frame)
    expected = content if opcode is Opcode.BINARY and fin and mask else None
    assert whole_message(frame) == expected


@given(st.binary(max_size=400))
def test_any_bytes_give_a_message_only_if_websockets_finds_the_same(data: bytes) -> None:
    message = whole_message(data)
    if message is not None:
        assert Frame(Opcode.BINARY, message).serialize(mask=False)[2:].endswith(message)
        assert frame_size(data, 0) == len(data)


@pytest.mark.parametrize(
    "frame",
    [
        b"\x82\xfe\x00\x05\0\0\0\0hello",
        b"\x82\xff\0\0\0\0\0\0\0\x05\0\0\0\0hello",
        b"\xc2\x85\0\0\0\0hello",
        b"\x82\x05hello",
        b"\x81\x85\0\0\0\0hello",
        b"\x82\x85\0\0\0\0hello!",
        b"\x82\x85\0\0\0\0hell",
    ],
    ids=["length too long", "far too long", "reserved bit", "no mask", "text", "more", "less"],
)
def test_what_is_not_quite_so_is_left_to_websockets(frame: bytes) -> None:
    assert whole_message(frame) is None


@given(st.lists(st.binary(max_size=200), max_size=6), st.integers(0, 3))
def test_sizes_cut_a_stream_of_frames_where_they_end(messages: list[bytes], missing: int) -> None:
    frames = [Frame(Opcode.BINARY, message).serialize(mask=True) for message in messages]
    data = b"".join(frames)[: -missing or None]
    at, found = 0, 0
    while (size := frame_size(data, at)) is not None and at + size <= len(data):
        assert whole_message(data[at : at + size]) == messages[found]
        at, found = at + size, found + 1
    assert found == len(frames) - (1 if missing and frames else 0)


def test_a_client_of_websockets_reads_what_is_written() -> None:
    client = ClientProtocol(parse_uri("ws://x/"), state=OPEN, max_size=None)
    messages = [os.urandom(size) for size in SIZES]
    client.receive_data(b"".join(frame_of(message) for message in messages) + PING)
    events = client.events_received()
    assert [bytes(event.data) for event in events if isinstance(event, Frame)] == [*messages, b""]
