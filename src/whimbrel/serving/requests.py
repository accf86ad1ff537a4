"""Requests as nginx reads them: which bytes are the head of one, which are refused, how early, and with what.

Pure: bytes come in, heads and refusals come out. Whoever sends odd requests to find out what a server is gets the answers of
nginx (1.22.1, with its usual settings), so this follows its rules and not those of the RFC. Heads as letters and browsers have
them take the short way, one match of one expression.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto

FIRST_BUFFER = 1024
LARGE_BUFFER = 8 * 1024
LARGE_BUFFERS = 4
"""client_header_buffer_size, large_client_header_buffers: a head is read into these, and no line stands in two of them."""
HTTP_09, HTTP_10, HTTP_11 = 9, 1000, 1001
"""Versions in nginx's numbers. The first is a request line without one: the answer is the bare content."""
LENGTH_MAX = (1 << 63) - 1
NUMBER_MAX = 20
"""Hexadecimal digits of a chunk's size, and more than enough for any other number."""


class Wrong(Enum):
    """Why a request is refused; `site` has the page of each."""

    BAD = auto()
    LINE_TOO_LONG = auto()
    HEAD_TOO_LARGE = auto()
    VERSION = auto()
    NOT_ALLOWED = auto()
    NOT_IMPLEMENTED = auto()


class Refused(Exception):
    """A request that is answered at once, and the connection ends with it. `unread`: something stays behind that was not read;
    `rest`: what came behind a head that was read to its end."""

    def __init__(self, why: Wrong, *, unread: bool = True, rest: bytes = b"") -> None:
        super().__init__(why.name)
        self.why = why
        self.unread = unread
        self.rest = rest


@dataclass(slots=True)
class Head:
    """The head of a request. `target`: as it came; `path`: decoded, without dots; `server`: the host that is asked for, in small
    letters and without its port."""

    method: str = ""
    target: bytes = b""
    path: bytes = b""
    query: bytes = b""
    version: int = HTTP_10
    server: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    """By names in small letters; the first of those that come twice and may."""
    pairs: list[tuple[bytes, bytes]] = field(default_factory=list)
    """All, as they came."""
    length: int = 0
    chunked: bool = False
    closing: bool | None = None
    """What the header Connection says: True, close; False, keep; None, neither."""

    @property
    def keep_alive(self) -> bool:
        if self.method == "POST" and self._is_explorer_6:
            return False
        return self.version > HTTP_10 if self.closing is None else not self.closing

    @property
    def has_body(self) -> bool:
        return self.length > 0 or self.chunked

    @property
    def _is_explorer_6(self) -> bool:
        """A browser that lost the second answer after a POST."""
        agent = self.headers.get(b"user-agent", b"")
        place = agent.find(b"MSIE ")
        if b"Opera" in agent or not 0 <= place < len(agent) - 7 or agent[place + 6 : place + 7] != b".":
            return False
        number = agent[place + 5]
        return number in b"45" or (number in b"6" and b"SV1" not in agent[place + 8 :])

    @property
    def pads_errors(self) -> bool:
        """Whether pages of errors are made longer, for browsers that show their own in place of short ones."""
        agent = self.headers.get(b"user-agent", b"")
        if b"Opera" in agent:
            return False
        place = agent.find(b"MSIE ")
        if place >= 0 and place + 7 < len(agent):
            return True
        return b"Gecko/" not in agent and b"Chrome/" in agent


_ONCE = frozenset(
    (b"authorization", b"content-length", b"content-range", b"expect", b"if-match", b"if-modified-since", b"if-none-match",
     b"if-range", b"if-unmodified-since", b"transfer-encoding")
)  # fmt: skip
"""Headers that may come once."""

_USUAL = re.compile(
    rb"(GET|HEAD|POST) (/(?:[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)?) HTTP/1\.1\r\n"
    rb"((?:[A-Za-z0-9-]+: [^\x00-\x20]+(?: [^\x00-\x20]+)*\r\n)+)\r\n"
)

_METHOD = rb"[A-Z_-]+"
_PATH = rb"/[^\x00-\x20\x7f]*"
_HOST = rb"(?:\[[A-Za-z0-9:._~!$&'()*+,;=-]*\]|[A-Za-z0-9.-]*)(?::[0-9]*)?"
_AFTER_HOST = rb"[/?][^\x00-\x20\x7f]*"
_FULL = re.compile(
    rb"(%s) +(?:(%s)|[A-Za-z][A-Za-z0-9+.-]*://(%s)(?:(%s)|(?= )))(?: *| +HTTP/1\.([0-9]{1,3}) *)\r?"
    % (_METHOD, _PATH, _HOST, _AFTER_HOST)
)
_VERSION_SEEN = re.compile(
    rb"%s +(?:%s|[A-Za-z][A-Za-z0-9+.-]*://%s(?:%s|(?= ))) +HTTP/([1-9][0-9]*)"
    % (_METHOD, _PATH, _HOST, _AFTER_HOST)
)


def _begun(*parts: bytes) -> bytes:
    """What matches any beginning of these parts, one after the other."""
    return b"(?:" + b"(?:".join(parts) + b")?" * len(parts)


_TAIL = _begun(rb" +", *(bytes((c,)) for c in b"HTTP/"), rb"[1-9][0-9]*", rb"\.", rb"[0-9]{1,3}", rb" +")
_BEGUN = re.compile(
    _begun(
        _METHOD,
        rb" +",
        rb"(?:%s%s|[A-Za-z][A-Za-z0-9+.-]*%s)"
        % (
            _PATH,
            _TAIL,
            _begun(
                rb":",
                rb"/",
                rb"/",
                rb"(?:\[[A-Za-z0-9:._~!$&'()*+,;=-]*(?:\](?::[0-9]*)?)?|[A-Za-z0-9.-]*(?::[0-9]*)?)",
                rb"(?:%s)?%s" % (_AFTER_HOST, _TAIL),
            ),
        ),
    )
    + rb"\r?"
)
"""Every beginning of a request line that nginx goes on reading."""

_HEADER = re.compile(rb"([^\x00-\x20\x7f:]+)(?:: *([^\x00\r\n]*?) *)?\r*")
_HEADER_BEGUN = re.compile(rb"(?:[^\x00-\x20\x7f:]+(?::[^\x00\r\n]*)?\r*|\r)?")
_NAME = re.compile(rb"[A-Za-z0-9-]+")


class HeadReader:
    """Reads one head. `after`: the one before it on the connection, when this one came together with it."""

    __slots__ = ("_buffers", "_capacity", "_in_headers", "_kept", "_used", "head")

    def __init__(self, after: HeadReader | None = None) -> None:
        self.head = Head()
        """What is known of it so far, also of one that is refused."""
        self._in_headers = False
        self._kept = bytearray()
        self._used: int = 0 if after is None else after._used
        self._capacity: int = FIRST_BUFFER if after is None else after._capacity
        self._buffers: int = 0 if after is None else min(1, after._buffers)

    @property
    def filled(self) -> bool:
        """Whether the head ended with a buffer: nginx then does not know that there is no more to read."""
        return self._used == self._capacity

    @property
    def begun(self) -> bool:
        """Whether anything of it has come."""
        return self._in_headers or bool(self._kept)

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes. Those behind the head, when it is whole; None: more must come. Raises Refused."""
        if not self.begun:
            usual = _USUAL.match(data)
            if usual is not None and usual.end() <= FIRST_BUFFER - self._used:
                return self._usual(usual, data)
        self._kept += data
        at = 0
        while True:
            if not self._in_headers:
                while at < len(self._kept) and self._kept[at] in b"\r\n":
                    at += 1
            end = self._kept.find(b"\n", at)
            if end < 0:
                break
            self._fit(end + 1 - at, whole=True)
            line = bytes(self._kept[at:end])
            at = end + 1
            if not self._in_headers:
                if self._first_line(line, unread=at < len(self._kept)):
                    return self._rest(at)
            elif line in (b"", b"\r"):
                rest = self._rest(at)
                self._check(rest)
                return rest
            else:
                self._header(line, unread=at < len(self._kept))
        del self._kept[:at]
        if self._kept:
            self._begun_line()
        return None

    def _usual(self, match: re.Match[bytes], data: bytes) -> bytes:
        head, rest = self.head, data[match.end() :]
        head.method = match[1].decode("ascii")
        head.target = head.path = match[2]
        head.version = HTTP_11
        self._used += match.end()
        for line in match[3].split(b"\r\n")[:-1]:
            name, _, value = line.partition(b": ")
            self._take(name, value, unread=True)
        self._check(rest)
        return rest

    def _rest(self, at: int) -> bytes:
        rest = bytes(self._kept[at:])
        self._kept.clear()
        return rest

    # ------------------------------------------------------------------------------------------- buffers

    def _fit(self, size: int, *, whole: bool) -> None:
        """Put a line of `size` bytes into the buffers; one that is not whole is only looked at. Raises Refused when it does not
        fit, as soon as that is known."""
        too_much = Wrong.HEAD_TOO_LARGE if self._in_headers else Wrong.LINE_TOO_LONG
        used, capacity, buffers = self._used, self._capacity, self._buffers
        if used == capacity and size:  # the line before it ended with the buffer
            if buffers == LARGE_BUFFERS:
                raise Refused(too_much)
            used, capacity, buffers = 0, LARGE_BUFFER, buffers + 1
        held = 0
        while used + size - held > capacity or (not whole and used + size - held == capacity):
            held += capacity - used
            if held >= LARGE_BUFFER or buffers == LARGE_BUFFERS:
                raise Refused(too_much)
            used, capacity, buffers = held, LARGE_BUFFER, buffers + 1
        if whole:
            self._used, self._capacity, self._buffers = used + size - held, capacity, buffers

    # ------------------------------------------------------------------------------------- the first line

    def _begun_line(self) -> None:
        """A line of which more must come: refused as soon as it cannot be one any more."""
        line = bytes(self._kept)
        if self._in_headers:
            if _HEADER_BEGUN.fullmatch(line) is None:
                raise Refused(Wrong.BAD)
        else:
            self._look_at_version(line)
            if _BEGUN.fullmatch(line) is None:
                self._know_method(line)
                raise Refused(Wrong.BAD)
        self._fit(len(line), whole=False)

    def _look_at_version(self, line: bytes) -> None:
        seen = _VERSION_SEEN.match(line)
        if seen is not None and (len(seen[1]) > 1 or seen[1] != b"1"):
            self._know_method(line)
            raise Refused(Wrong.VERSION)

    def _know_method(self, line: bytes) -> None:
        """Also of a request that is refused: HEAD is answered without content."""
        method, space, _ = line.partition(b" ")
        if space and re.fullmatch(_METHOD, method):
            self.head.method = method.decode("ascii")

    def _first_line(self, line: bytes, *, unread: bool) -> bool:
        """Whether the request is whole with it: one without a version has no headers."""
        head = self.head
        self._look_at_version(line)
        self._know_method(line)
        found = _FULL.fullmatch(line)
        if found is None:
            raise Refused(Wrong.BAD)
        path, host, behind, minor = found[2], found[3], found[4], found[5]
        head.version = HTTP_09 if minor is None else HTTP_10 + int(minor)
        if minor is None and head.method != "GET":
            raise Refused(Wrong.BAD, unread=unread)
        if path is None:
            path = behind if behind is not None and behind.startswith(b"/") else b"/" + (behind or b"")
        head.target = path
        head.path, head.query = _decoded(path)
        if host is not None:
            head.server = host_of(host)
        self._in_headers = True
        return minor is None

    # -------------------------------------------------------------------------------------------- headers

    def _header(self, line: bytes, *, unread: bool) -> None:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise Refused(Wrong.BAD)
        if _NAME.fullmatch(found[1]):  # others are passed over
            self._take(found[1], found[2] or b"", unread=unread)

    def _take(self, name: bytes, value: bytes, *, unread: bool) -> None:
        head, small = self.head, name.lower()
        head.pairs.append((name, value))
        if small in head.headers:
            if small in _ONCE or small == b"host":
                raise Refused(Wrong.BAD, unread=unread)
        else:
            head.headers[small] = value
        if small == b"host":
            try:
                server = host_of(value)
            except Refused:
                raise Refused(Wrong.BAD, unread=unread) from None
            head.server = head.server or server
        elif small == b"connection":
            said = value.lower()
            if b"close" in said:
                head.closing = True
            elif b"keep-alive" in said:
                head.closing = False

    def _check(self, rest: bytes) -> None:
        """What is looked at when the head is whole, in this order."""
        head = self.head
        if b"host" not in head.headers and head.version > HTTP_10:
            raise Refused(Wrong.BAD, unread=bool(rest), rest=rest)
        length = head.headers.get(b"content-length")
        if length is not None:
            if not (length.isdigit() and int(length[:NUMBER_MAX]) <= LENGTH_MAX and len(length) < NUMBER_MAX):
                raise Refused(Wrong.BAD, unread=bool(rest), rest=rest)
            head.length = int(length)
        coding = head.headers.get(b"transfer-encoding")
        if coding is not None:
            if head.version < HTTP_11:
                raise Refused(Wrong.BAD, unread=bool(rest), rest=rest)
            if coding.lower() != b"chunked":
                raise Refused(Wrong.NOT_IMPLEMENTED, unread=bool(rest), rest=rest)
            if length is not None:
                raise Refused(Wrong.BAD, unread=bool(rest), rest=rest)
            head.chunked = True
        if head.method in ("CONNECT", "TRACE"):
            raise Refused(Wrong.NOT_ALLOWED, unread=bool(rest), rest=rest)


def host_of(value: bytes) -> bytes:
    """A host in small letters, without its port. Raises Refused for what is none."""
    dot = end = len(value)
    literal = rest = False
    for i, char in enumerate(value):
        if char == 0x2E:  # .
            if dot == i - 1:
                raise Refused(Wrong.BAD)
            dot = i
        elif char == 0x3A:  # :
            if not literal and not rest:
                end, rest = i, True
        elif char == 0x5B and i == 0:  # [
            literal = True
        elif char == 0x5D:  # ]
            if literal:
                end, literal, rest = i + 1, False, True
        elif char == 0x2F or char <= 0x20 or char == 0x7F:
            raise Refused(Wrong.BAD)
    if dot == end - 1:
        end -= 1
    if end <= 0:
        raise Refused(Wrong.BAD)
    return value[:end].lower()


def _decoded(target: bytes) -> tuple[bytes, bytes]:
    """Path and query of a target: decoded, slashes merged, dots gone. Raises Refused."""
    target = target.partition(b"#")[0]
    raw, _, query = target.partition(b"?")
    path = _unquoted(raw) if b"%" in raw else raw
    if b"//" not in path and b"/." not in path:
        return path, query
    parts: list[bytes] = []
    pieces = path.split(b"/")[1:]
    for piece in pieces:
        if piece == b"..":
            if not parts:
                raise Refused(Wrong.BAD)
            parts.pop()
        elif piece not in (b"", b"."):
            parts.append(piece)
    ends_open = pieces[-1] in (b"", b".", b"..")
    return b"/" + b"".join(part + b"/" for part in parts[:-1]) + (
        parts[-1] + (b"/" if ends_open else b"") if parts else b""
    ), query


def _unquoted(raw: bytes) -> bytes:
    out = bytearray()
    at = 0
    while (mark := raw.find(b"%", at)) >= 0:
        out += raw[at:mark]
        digits = raw[mark + 1 : mark + 3]
        if re.fullmatch(rb"[0-9A-Fa-f]{2}", digits) is None or digits == b"00":
            raise Refused(Wrong.BAD)
        out.append(int(digits, 16))
        at = mark + 3
    return bytes(out + raw[at:])


# ------------------------------------------------------------------------------------------------------- bodies


class BodyReader:
    """Reads the body of a request, by its length or in chunks. Pieces are given out as they come."""

    __slots__ = ("_left", "_line", "_state", "done")

    def __init__(self, head: Head) -> None:
        self._state = "size" if head.chunked else "data"
        self._left = head.length
        self._line = b""
        self.done = not head.has_body

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Bytes of the body, and those behind it once it is done. Raises Refused for what are no chunks."""
        if self._state == "data":
            body, rest = data[: self._left], data[self._left :]
            self._left -= len(body)
            self.done = self._left == 0
            return body, rest
        out = bytearray()
        while data and not self.done:
            data = self._chunked(data, out)
        return bytes(out), data

    def _chunked(self, data: bytes, out: bytearray) -> bytes:
        if self._state == "chunk":
            out += data[: self._left]
            taken = min(self._left, len(data))
            self._left -= taken
            if self._left == 0:
                self._state, self._line = "after", b""
            return data[taken:]
        end = data.find(b"\n")
        self._line += data if end < 0 else data[: end + 1]
        if end < 0:
            if not _LINE_BEGUN[self._state].fullmatch(self._line) or len(self._line) > LARGE_BUFFER:
                raise Refused(Wrong.BAD)
            return b""
        found = _LINE[self._state].fullmatch(self._line)
        if found is None:
            raise Refused(Wrong.BAD)
        line, self._line = self._line, b""
        if self._state == "size":
            digits = found[1].lstrip(b"0")
            if len(digits) > 15:
                raise Refused(Wrong.BAD)
            self._left = int(digits or b"0", 16)
            self._state = "chunk" if self._left else "trailer"
        elif self._state == "after":
            self._state = "size"
        elif line in (b"\n", b"\r\n"):
            self.done = True
        return data[end + 1 :]


_LINE = {
    "size": re.compile(rb"([0-9A-Fa-f]+)(?:[;\t ][^\r\n]*)?\r?\n"),
    "after": re.compile(rb"\r?\n"),
    "trailer": re.compile(rb"[^\r\n]*\r?\n"),
}
_LINE_BEGUN = {
    "size": re.compile(rb"(?:[0-9A-Fa-f]+(?:[;\t ][^\r\n]*)?\r?)?"),
    "after": re.compile(rb"\r?"),
    "trailer": re.compile(rb"[^\r\n]*\r?"),
}
