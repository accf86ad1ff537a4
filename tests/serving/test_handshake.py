"""The quick look at a handshake says what the library says."""

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.serving import handshake

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
USUAL = (
    (b"Host", b"relay.example"),
    (b"Upgrade", b"websocket"),
    (b"Connection", b"Upgrade"),
    (b"Sec-WebSocket-Key", KEY),
    (b"Sec-WebSocket-Version", b"13"),
)
Pairs = tuple[tuple[bytes, bytes], ...]


def accept_of(pairs: Pairs, method: str = "GET", version: str = "1.1") -> str | None:
    headers = {name.lower(): value for name, value in pairs}
    return handshake.accept_of(method, b"/way", version, headers, pairs)


def changed(name: bytes, value: bytes | None) -> Pairs:
    return tuple(
        (one, value if one == name else old) for one, old in USUAL if one != name or value is not None
    )  # type: ignore[misc]


def test_the_example_of_the_rfc_is_accepted_as_there() -> None:
    assert accept_of(USUAL) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_the_usual_handshake_does_not_need_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(handshake, "accept_by_library")
    key = base64.b64encode(os.urandom(16))
    assert accept_of(changed(b"Sec-WebSocket-Key", key)) is not None


VALUES = {
    b"Upgrade": [None, b"WebSocket", b"websocket, h2c", b"h2c", b" websocket", b""],
    b"Connection": [None, b"upgrade", b"keep-alive, Upgrade", b"close", b"Upgrade, Upgrade", b""],
    b"Sec-WebSocket-Key": [
        None, b"", KEY[:-2], KEY + b"=", b"dGhlIHNhbXBsZSBub25jZR==", b"A" * 24, b"!" * 24, KEY + b"\n", b"AAAA"
    ],
    b"Sec-WebSocket-Version": [None, b"8", b"013", b"13 ", b"13, 8", b"\xb2"],
}  # fmt: skip


@pytest.mark.parametrize(
    "pairs",
    [
        *[changed(name, value) for name, values in VALUES.items() for value in values],
        *[(*USUAL, pair) for pair in USUAL],
        (*USUAL, (b"upgrade", b"websocket")),
        (*USUAL, (b"Sec-WebSocket-Protocol", b"chat")),
        (*USUAL, (b"Sec-WebSocket-Protocol", b"\xff,,")),
        (*USUAL, (b"Sec-WebSocket-Extensions", b"permessage-deflate; client_max_window_bits")),
        (*USUAL, (b"Sec-WebSocket-Extensions", b";;;")),
        (*USUAL, (b"Origin", b"https://x"), (b"Origin", b"https://y")),
    ],
)
def test_an_unusual_handshake_is_judged_as_by_the_library(pairs: Pairs) -> None:
    assert accept_of(pairs) == handshake.accept_by_library("GET", b"/way", "1.1", pairs)


@given(
    st.sampled_from(["GET", "POST", "HEAD"]),
    st.sampled_from(["1.0", "1.1"]),
    st.lists(
        st.one_of(
            st.sampled_from(USUAL),
            st.tuples(
                st.sampled_from([name for name, _ in USUAL] + [b"Sec-WebSocket-Protocol", b"Origin"]),
                st.one_of(st.binary(max_size=26), st.sampled_from([b"13", b"websocket", b"Upgrade", KEY])),
            ),
        ),
        max_size=9,
    ),
)
def test_any_handshake_is_judged_as_by_the_library(
    method: str, version: str, pairs: list[tuple[bytes, bytes]]
) -> None:
    some = tuple(pairs)
    assert accept_of(some, method, version) == handshake.accept_by_library(method, b"/way", version, some)
