"""What is sent to a server to find out whether it is what it seems: requests of every kind, garbage, and hellos of TLS."""

from __future__ import annotations

import random
import ssl
import warnings
from collections.abc import Iterator
from contextlib import suppress
from email.utils import formatdate
from itertools import product
from urllib.parse import quote

STYLE_TIME = 1_790_000_000
STYLE_SIZE = 300
ETAG = f'"{STYLE_TIME:x}-{STYLE_SIZE:x}"'
DATE = formatdate(STYLE_TIME, usegmt=True)
ODD_NAMES = [
    'q"x',
    "a#b",
    "a%b",
    "a<b",
    "a>b",
    "a?b",
    "a\\b",
    "a^b",
    "a`b",
    "a{b",
    "a|b",
    "a}b",
    "a~b",
    "a'b",
    "a+b",
    "a&b",
    "a;b",
    "a=b",
    "a@b",
    "a:b",
    "a,b",
    "a[b",
    "é",
]


def request(
    path: str = "/",
    method: str = "GET",
    headers: str = "",
    *,
    version: str = "HTTP/1.1",
    host: str = "Host: x\r\n",
    body: bytes = b"",
) -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} {version}\r\n{host}{headers}{length}\r\n".encode("latin-1") + body


def requests() -> dict[str, list[bytes]]:
    """Names and pieces."""
    found: dict[str, list[bytes]] = {}
    for group in (
        _methods,
        _paths,
        _versions,
        _hosts,
        _headers,
        _conditions,
        _ranges,
        _chunks,
        _lengths,
        _expectations,
        _others,
    ):
        for name, *pieces in group():
            assert name not in found, name
            found[name] = pieces
    return found


Probe = tuple[object, ...]


def _methods() -> Iterator[Probe]:
    methods = [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "DELETE",
        "OPTIONS",
        "TRACE",
        "CONNECT",
        "PATCH",
        "FOO",
        "get",
        "A-B",
        "A_B",
        "PROPFIND",
        "MKCOL",
    ]
    paths = ["/", "/nothing", "/style.css", "/sub", "/sub/", "/empty", "/empty/", "/nothing/", "/index.html/"]
    for method, path in product(methods, paths):
        yield f"{method} {path}", request(path, method)


def _paths() -> Iterator[Probe]:
    paths = [
        "/a%20b", "/a%20b?x=1", "/caf%C3%A9.html", "/../x", "/sub/../style.css", "/%2e%2e/x", "/sub/%2e%2e/style.css", "/%00", "/%zz", "/%", "/%2",
        "//style.css", "/sub//", "/./style.css", "/sub/.", "/sub/..", "/style.css#x", "/style.css?x", "/style.css%3fx", "/none", "/zero.txt", "/big.bin",
        "*", "x", "http://y/style.css", "http://y", "http://y?x", "http:///x", "http://Y:80/sub", "HTTP://y/sub", "/sub?", "/style.css ", "/a b",
        "/\x01", "/\x7f", "/\xe9", "/sub/index.html", "/STYLE.CSS", "/%2fstyle.css", "/x%25y", "/%23", "/a/b/../../style.css", "/a/../../b",
    ]  # fmt: skip
    for path in paths:
        yield f"path {path}", request(path)
    for name in ODD_NAMES:
        yield f"folder {name}", request("/" + quote(name))
    for size in (300, 5000, 8000, 8170, 8175, 8176, 8177, 8178, 8180, 8200, 20000):
        yield f"path of {size}", request("/" + "a" * size)


def _versions() -> Iterator[Probe]:
    versions = [
        "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.2", "HTTP/1.10", "HTTP/1.1000", "HTTP/9.9", "HTTP/11.1", "HTTP/01.1", "http/1.1", "HTTP/1", "HTTP",
        "HTP/1.1", "HTTP/1.1 ", "HTTP/1.1 x", "", "HTTPS/1.1", "HTTP/1.", "HTTP/.1", "HTTP/10",
    ]  # fmt: skip
    for version, method in product(versions, ("GET", "HEAD", "POST")):
        yield f"{method} in version {version!r}", request("/", method, version=version)


def _hosts() -> Iterator[Probe]:
    hosts = [
        "", "Host:\r\n", "Host: \r\n", "Host: a/b\r\n", "Host: a..b\r\n", "Host: .\r\n", "Host: a.\r\n", "Host: A:80\r\n", "Host: [::1]:80\r\n",
        "Host: a\r\nHost: b\r\n", "Host: a b\r\n", "Host:x\r\n", "host: x\r\n", "Host : x\r\n", " Host: x\r\n", "Host: x\r\n y\r\n", "Host: \x01\r\n",
        "Host: x\x00\r\n", "Host: a@b\r\n",
    ]  # fmt: skip
    for host, version in product(hosts, ("HTTP/1.1", "HTTP/1.0")):
        yield f"{host!r} in {version}", request("/sub", host=host, version=version)


def _headers() -> Iterator[Probe]:
    headers = [
        "Connection: close", "Connection: keep-alive", "Connection: Close, x", "Connection: upgrade, close", "Connection: foo", "Content-Length: 0",
        "Content-Length: -1", "Content-Length: x", "Content-Length: 5x", "Content-Length: 99999999999999999999", "Content-Length: 9223372036854775807",
        "Content-Length: 9223372036854775808", "Content-Length: 1\r\nContent-Length: 1", "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Transfer-Encoding: gzip", "Transfer-Encoding: identity", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: Chunked",
        "Expect: 100-continue", "Expect: 100-Continue", "Expect: x", "Expect: 100-continue\r\nExpect: x", "Foo", "Foo:", "Foo_Bar: x", "F@o: x", ": x",
        "Foo Bar: x", "Foo\t: x", "Foo:\tx", "Foo: a\rb", "Foo: x\r", "Foo\x00: x", "Foo: \x00", "F\xe9: x",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "User-Agent: Mozilla/5.0 Chrome/140.0", "User-Agent: Mozilla/5.0 Gecko/1 Chrome/1", "User-Agent: MSIE 6.0; x", "User-Agent: MSIE 6.0; SV1",
        "User-Agent: MSIE 7.0; x", "User-Agent: Opera MSIE 6.0", "If-Modified-Since: a\r\nIf-Modified-Since: b", "Authorization: x",
        "Accept-Encoding: gzip", "TE: trailers", "Range: bytes=0-1\r\nRange: bytes=2-3", "Keep-Alive: 5",
        *("X: " + "a" * size for size in (1000, 7000, 8180, 8185, 8186, 8187, 8188, 8189, 8190, 8200, 12000)),
        *("\r\n".join(["A: " + "b" * size] * times) for size, times in ((4000, 7), (4000, 8), (4000, 9), (2500, 14), (100, 300), (100, 320), (100, 400))),
    ]  # fmt: skip
    for n, header in enumerate(headers):
        for path, method in (("/", "GET"), ("/", "POST"), ("/nothing", "HEAD"), ("/nothing", "POST")):
            yield f"{method} {path} with {n}: {header[:60]!r}", request(path, method, header + "\r\n")


def _conditions() -> Iterator[Probe]:
    conditions = [
        f"If-None-Match: {ETAG}", f"If-None-Match: W/{ETAG}", "If-None-Match: *", f'If-None-Match: "x", {ETAG}', f"If-None-Match: {ETAG} ,x",
        f"If-None-Match: {ETAG}x", "If-None-Match: x", "If-None-Match: * ", f"If-Modified-Since: {DATE}",
        "If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT", "If-Modified-Since: Thu, 01 Jan 1998 00:00:00 GMT", "If-Modified-Since: nonsense",
        f"If-Modified-Since: {DATE}\r\nIf-None-Match: x", f"If-Modified-Since: nonsense\r\nIf-None-Match: {ETAG}",
        f"If-Modified-Since: {DATE}\r\nIf-None-Match: {ETAG}", f"If-Match: {ETAG}", f"If-Match: W/{ETAG}", "If-Match: *", "If-Match: x",
        f"If-Unmodified-Since: {DATE}", "If-Unmodified-Since: Thu, 01 Jan 1998 00:00:00 GMT", "If-Unmodified-Since: Thu, 01 Jan 2099 00:00:00 GMT",
        "If-Unmodified-Since: x", f"If-Range: {ETAG}\r\nRange: bytes=0-1", 'If-Range: "x"\r\nRange: bytes=0-1', f"If-Range: {DATE}\r\nRange: bytes=0-1",
        "If-Range: x\r\nRange: bytes=0-1", f"If-Range: W/{ETAG}\r\nRange: bytes=0-1", "If-Modified-Since: Monday, 21-Sep-26 14:13:20 GMT",
        "If-Modified-Since: Mon Sep 21 14:13:20 2026", f"If-Modified-Since: {DATE} x", f"If-Modified-Since: {DATE[:-4]}", f"If-Modified-Since: {DATE[:-6]}",
        "If-Modified-Since: ",
    ]  # fmt: skip
    for condition, method in product(conditions, ("GET", "HEAD")):
        yield f"{method} {condition!r}", request("/style.css", method, condition + "\r\n")


def _ranges() -> Iterator[Probe]:
    ranges = [
        "bytes=0-0", "bytes=0-", "bytes=-1", "bytes=-0", "bytes=5-2", "bytes=999999-", "bytes=0-999999", "bytes=0-1,3-4", "bytes=0-1, 3-4",
        "bytes=0-1,999999-", "bytes=-", "bytes=", "bytes=a-b", "bytes=0", "bytes=1-1-1", "bits=0-1", "bytes 0-1", "BYTES=0-1", "bytes= 0-1",
        "bytes=0 - 1", "bytes=0-1 ", "bytes=99999999999999999999-", "bytes=0-99999999999999999999", "bytes=0-,0-,0-", "bytes=0-1,", "bytes=,0-1",
        "bytes=-500,0-3", "bytes=0-1;2-3", "bytes=0-0,0-0,0-0,-1", "bytes=00-01",
    ]  # fmt: skip
    for wanted, (path, method) in product(
        ranges, (("/style.css", "GET"), ("/style.css", "HEAD"), ("/zero.txt", "GET"), ("/nothing", "GET"))
    ):
        yield f"{method} {path} {wanted}", request(path, method, f"Range: {wanted}\r\n")


def _chunks() -> Iterator[Probe]:
    bodies = [
        b"5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello", b"5\nhello\n0\n\n", b"5;ext=1\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"x\r\n",
        b"5\r\nhelloX", b"0\r\nA: b\r\n\r\n", b"0\r\n\rz", b"0\r\n\r\n" + request("/"), b"5\r\nhello\r\n0\r\n\r\n" + request("/sub"), b"",
        b"FFFFFFFFFFFFFFFFFF\r\n", b"100001\r\n", b"5\rhello", b"05\r\nhello\r\n00\r\n\r\n", b"\r\n", b"-1\r\n", b" 5\r\nhello\r\n0\r\n\r\n", b"5;\rx\n",
    ]  # fmt: skip
    for body, (path, method, more) in product(
        bodies,
        (
            ("/", "POST", ""),
            ("/nothing", "POST", ""),
            ("/", "GET", ""),
            ("/nothing", "POST", "Connection: close\r\n"),
        ),
    ):
        head = request(path, method, "Transfer-Encoding: chunked\r\n" + more)
        yield f"{method} {path} {more!r} in chunks {body[:30]!r}", head + body


def _lengths() -> Iterator[Probe]:
    for size, path, method, more in product(
        (0, 1, 5, 1_048_576, 1_048_577, 99_999_999),
        ("/", "/nothing"),
        ("POST", "GET", "PUT"),
        ("", "Connection: close\r\n"),
    ):
        head = request(path, method, f"Content-Length: {size}\r\n{more}")
        yield f"{method} {path} {more!r} of {size}", head + b"h" * min(size, 3)


def _expectations() -> Iterator[Probe]:
    more = ["", "If-Match: x\r\n", "If-None-Match: *\r\n", "Range: bytes=0-1\r\n", "Range: bytes=99999-\r\n"]
    for header, path, method in product(more, ("/style.css", "/sub", "/empty/"), ("GET", "POST")):
        yield (
            f"{method} {path} expects {header!r}",
            request(path, method, "Expect: 100-continue\r\n" + header),
        )


def _others() -> Iterator[Probe]:
    yield "two", request() + request("/sub/")
    yield (
        "three",
        request() + request("/nothing", "POST", body=b"hello") + request("/style.css", "HEAD"),
    )
    yield "one and nonsense", request() + b"\x00"
    yield "one after the end", request(headers="Connection: close\r\n") + request()
    yield "empty lines first", b"\r\n\r\n" + request()
    yield "line feeds alone", b"GET / HTTP/1.1\nHost: x\n\n"
    for line in (
        b"GET /\r\n",
        b"GET /nothing\r\n",
        b"GET /style.css\n",
        b"GET /sub\r\n",
        b"GET / \r\n",
        b"HEAD /\r\n",
    ):
        yield f"without a version {line!r}", line
    yield "without a version, and more", b"GET /\r\nHost: x\r\n\r\n"
    yield "half a line", b"GET / HT"
    yield "half a head", b"GET / HTTP/1.1\r\nHost: x\r\n"
    yield "nothing", b""
    for end in (b"\rX", b"\r\r\n", b"\n", b" \r\n"):
        yield f"ends with {end!r}", b"GET / HTTP/1.1\r\nHost: x\r\n" + end
    yield "carriage returns", b"GET / HTTP/1.1\r\r\n"
    yield "HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield "SSH", b"SSH-2.0-x\r\n"
    yield "a hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)
    yield "SOCKS", b"\x05\x01\x00"
    yield "empty lines", b"\r\n" * 3000
    yield "many", request("/style.css") * 50
    yield "two buffers", b"".join(request("/", headers=f"X: {'a' * size}\r\n") for size in (600, 600, 9000))
    yield "many buffers", b"".join(request("/sub", headers=f"X: {'a' * n}\r\n") for n in range(0, 3000, 150))
    yield "bodies between", request("/nothing", "POST", body=b"a" * 2000) + request() + request("/sub")
    yield "byte by byte", *(bytes((byte,)) for byte in request("/sub"))
    late = "Content-Length: 5\r\n"
    yield "a late body", request("/nothing", "POST", late), b"hello", request()
    yield "a late body at the end", request("/nothing", "POST", late + "Connection: close\r\n"), b"hello"
    yield "one after the other", request(), request("/nothing"), request("/style.css", "HEAD")
    yield "twice, slowly", b"GET / HTTP/1.1\r\nHost: x\r\nIf-Match: a\r\n", b"If-Match: b\r\n"
    for size in (1, 2, 10, 500, 1023, 1024, 1025, 8191, 8192, 8193, 16_000, 17_000):
        yield f"garbage of {size}", random.Random(size).randbytes(size)
        yield f"letters of {size}", b"A" * size


_TOKENS = (
    b"GET ", b"POST ", b"HEAD ", b"/", b"/sub", b"/nothing", b"..", b"%2e", b" ", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\n", b"\r", b"Host: x",
    b"Content-Length: 3", b":", b"\x00", b"a", b"?", b"#", b"http://", b"[::1]", b"Connection: close", b"Transfer-Encoding: chunked", b"3",
    b"0\r\n\r\n", b"abc", b"\t", b"\xff", b"Range: bytes=0-1", b"Expect: 100-continue", b"_", b"-", b".",
)  # fmt: skip


def changed_requests(seed: int, count: int) -> dict[str, list[bytes]]:
    """Good requests with some bytes changed, left out or put in."""
    chance = random.Random(seed)
    good = [
        request(), request("/sub"), request("/style.css", "HEAD"), request("/nothing", "POST", body=b"abc"),
        request("/", "POST", "Transfer-Encoding: chunked\r\n") + b"3\r\nabc\r\n0\r\n\r\n",
        request("/style.css", headers="Range: bytes=0-1\r\nConnection: close\r\n"), request("http://a/sub"),
    ]  # fmt: skip
    found = {}
    for n in range(count):
        data = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 4)):
            at, way = chance.randrange(len(data) + 1), chance.random()
            if way < 0.4:
                data[at:at] = chance.choice(_TOKENS)
            elif way < 0.6:
                del data[at : at + chance.randint(1, 5)]
            elif way < 0.8 and at < len(data):
                data[at] = chance.randrange(256)
            else:
                data[at:at] = data[chance.randrange(len(data) or 1) :][: chance.randint(1, 30)]
        found[f"changed {n} of seed {seed}: {bytes(data[:200])!r}"] = [bytes(data)]
    return found


# ---------------------------------------------------------------------------------------------------- TLS


def hello(**how: object) -> bytes:
    """The first flight of a real client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old versions are meant
        context.minimum_version = how.get("least", ssl.TLSVersion.TLSv1_2)  # type: ignore[assignment]
        context.maximum_version = how.get("most", ssl.TLSVersion.TLSv1_3)  # type: ignore[assignment]
    if (ciphers := how.get("ciphers")) is not None:
        context.set_ciphers(str(ciphers))
    if (protocols := how.get("protocols")) is not None:
        context.set_alpn_protocols(protocols)  # type: ignore[arg-type]
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    name = how.get("name", "site.example")
    client = context.wrap_bio(incoming, outgoing, server_hostname=None if name is None else str(name))
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def hellos() -> dict[str, list[bytes]]:
    """Clients of every kind: versions, ciphers, protocols, names."""
    old = {"least": ssl.TLSVersion.TLSv1, "ciphers": "ALL:@SECLEVEL=0"}
    of_12 = {"most": ssl.TLSVersion.TLSv1_2}
    found = {
        "TLS 1.3": [hello()],
        "TLS 1.2": [hello(**of_12)],
        "TLS 1.1": [hello(most=ssl.TLSVersion.TLSv1_1, **old)],
        "TLS 1.0": [hello(most=ssl.TLSVersion.TLSv1, **old)],
        "no name": [hello(name=None)],
        "no name, TLS 1.2": [hello(name=None, **of_12)],
        "another name": [hello(name="other.example", **of_12)],
    }
    for protocols in (["h2"], ["h2", "http/1.1"], ["http/1.0"], ["http/0.9", "http/1.0"], ["x"]):
        found[f"TLS 1.3 for {protocols}"] = [hello(protocols=protocols)]
        found[f"TLS 1.2 for {protocols}"] = [hello(protocols=protocols, **of_12)]
    every = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    every.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    for cipher in every.get_ciphers():
        if cipher["protocol"] != "TLSv1.3":
            with suppress(ssl.SSLError):  # some want a key that is shared before
                found[cipher["name"]] = [hello(ciphers=f"{cipher['name']}:@SECLEVEL=0", **of_12)]
    return found


def first_flights(seed: int) -> dict[str, list[bytes]]:
    """What is no hello, what is a part of one or one with changes, and a genuine one that comes again or goes on wrongly."""
    chance = random.Random(seed)
    genuine = hello()
    found: dict[str, list[bytes]] = {}
    sizes = [0, 1, 2, 3, 4, 5, 6, 10, 50, 100, 517, 1000, 4000, 8000, 16_000, 16_384, 16_385, 16_389, 16_390, 16_500, 16_700, 16_709, 16_710, 17_000, 40_000]  # fmt: skip
    for size in sizes:
        rest = chance.randbytes(size)
        found[f"garbage of {size} like a handshake"] = [(b"\x16" + rest)[:size]]
        found[f"garbage of {size} in a record"] = [b"\x16\x03\x01" + size.to_bytes(2, "big") + rest]
        found[f"garbage of {size} in a hello"] = [
            b"\x16\x03\x01"
            + (size + 4 & 0xFFFF).to_bytes(2, "big")
            + b"\x01"
            + size.to_bytes(3, "big")
            + rest
        ]
        found[f"garbage of {size} like SSL 2"] = [b"\x80" + rest]
        found[f"garbage of {size} behind 255"] = [b"\xff" + rest]
    for n in range(150):
        data = bytearray(genuine)
        for _ in range(chance.randint(1, 3)):
            at, way = chance.randrange(len(data)), chance.random()
            if way < 0.6:
                data[at] = chance.randrange(256)
            elif way < 0.8:
                del data[at : at + chance.randint(1, 4)]
            else:
                data[at:at] = chance.randbytes(chance.randint(1, 4))
        if b"site.example" in data:  # a name that is no text is the one thing that is known to differ
            found[f"changed hello {n}"] = [bytes(data)]
    found["half a hello"] = [genuine[: len(genuine) // 2]]
    found["a hello in two"] = [genuine[:100], genuine[100:]]
    found["a hello again"] = [genuine + genuine]
    found["a hello, then a wrong record"] = [genuine, b"\x17\x03\x03\x00\x20" + chance.randbytes(32)]
    found["a hello, then plain words"] = [genuine, request()]
    found["a hello, then an alert"] = [genuine, b"\x15\x03\x03\x00\x02\x02\x28"]
    found["an alert"] = [b"\x15\x03\x01\x00\x02\x02\x28"]
    return found
