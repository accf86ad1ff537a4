"""As much of an XMPP client as it takes to register, log in and have a stanza ready. No TLS, no library, blocking."""

from __future__ import annotations

import base64
import re
import socket

HOST = "localhost"
RESOURCE = "bench"
OPEN = (
    f"<?xml version='1.0'?><stream:stream to='{HOST}' version='1.0' xmlns='jabber:client'"
    " xmlns:stream='http://etherx.jabber.org/streams'>"
)
FEATURES = re.compile(rb"<stream:features.*?(</stream:features>|/>)", re.DOTALL)
RESULT = re.compile(rb"<iq[^>]*type=['\"](result|error)['\"].*?(</iq>|/>)", re.DOTALL)


class Refused(Exception):
    """The server did not do what was asked; says what it answered."""


def register(port: int, users: list[str]) -> None:
    """Make accounts by XEP-0077, many on one connection; each password is the name."""
    with _stream(port) as sock:
        for at in range(0, len(users), 50):
            some = users[at : at + 50]
            sock.sendall(
                "".join(
                    f"<iq type='set' id='{user}' to='{HOST}'><query xmlns='jabber:iq:register'>"
                    f"<username>{user}</username><password>{user}</password></query></iq>"
                    for user in some
                ).encode()
            )
            data = b""
            while len(answers := RESULT.findall(data)) < len(some):
                data += _more(sock, data)
            if any(kind != b"result" for kind, _ in answers):
                raise Refused(data[:300].decode("utf-8", "replace"))


def login(port: int, user: str, managed: bool = False) -> socket.socket:
    """A session that is logged in, bound and present; everything the server said so far has been read.

    `managed`: as clients of today do it, with stream management (XEP-0198: both sides acknowledge) and carbons.
    """
    sock = _stream(port)
    secret = base64.b64encode(f"\0{user}\0{user}".encode()).decode()
    sock.sendall(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>".encode())
    _until(sock, re.compile(rb"<success[^>]*>"))
    sock.sendall(OPEN.encode())
    _until(sock, FEATURES)
    sock.sendall(
        b"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>%s</resource></bind></iq>"
        % RESOURCE.encode()
    )
    _until(sock, RESULT)
    if managed:
        sock.sendall(b"<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        _until(sock, RESULT)
    # The own presence comes back to its sender; the ping after it shows that all before it is done.
    sock.sendall(
        b"<presence/><iq type='get' id='p' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % HOST.encode()
    )
    _until(sock, re.compile(rb"<iq[^>]*id=['\"]p['\"].*?(</iq>|/>)", re.DOTALL))
    if managed:
        # After everything else, so that both sides count from nothing.
        sock.sendall(b"<enable xmlns='urn:xmpp:sm:3'/>")
        _until(sock, re.compile(rb"<enabled[^>]*>"))
    return sock


def address(user: str) -> str:
    return f"{user}@{HOST}/{RESOURCE}"


def message(to: str, number: int, payload: bytes) -> bytes:
    """A chat message to one session, with an id as clients give it."""
    return b"<message to='%s' type='chat' id='m%08d'><body>%s</body></message>" % (
        to.encode(),
        number,
        payload,
    )


ANSWER_PLEASE = b"<r xmlns='urn:xmpp:sm:3'/>"
"""After a message: the server says how many stanzas it has taken."""


def _stream(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), 60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(OPEN.encode())
    _until(sock, FEATURES)
    return sock


def _until(sock: socket.socket, pattern: re.Pattern[bytes]) -> None:
    data = b""
    while not pattern.search(data):
        data += _more(sock, data)


def _more(sock: socket.socket, data: bytes) -> bytes:
    more = sock.recv(65536)
    if not more or b"<failure" in more or b"<stream:error" in more:
        raise Refused((data + more)[-300:].decode("utf-8", "replace"))
    return more
