"""What is read of a client's hello before TLS itself looks at it (RFC 8446, 4.1.2)."""

from __future__ import annotations

from whimbrel.serving.tls import Hello, hello_of

NAME = b"\x00\x0e\x00\x00\x0brelay.test!"


def hello(extensions: bytes, promised: int | None = None) -> bytes:
    """A ClientHello in one record whose extensions are `promised` bytes long by its own words."""
    length = len(extensions) if promised is None else promised
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00"
    body += length.to_bytes(2, "big") + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


def extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content


def test_the_name_and_the_protocols_of_a_hello_are_found() -> None:
    found = hello_of(hello(extension(0, NAME) + extension(16, b"\x00\x09\x08http/1.1")))
    assert found == Hello((b"http/1.1",), NAME)


def test_extensions_that_are_promised_and_not_there_are_not_looked_for() -> None:
    found = hello_of(hello(extension(0, NAME), promised=0xFFFF))
    assert found == Hello((), NAME), "zeros beyond the end would be an extension with another name"


def test_of_half_a_hello_more_must_come() -> None:
    whole = hello(extension(0, NAME))
    assert hello_of(whole[:-1]) is None
    assert hello_of(whole) is not None
