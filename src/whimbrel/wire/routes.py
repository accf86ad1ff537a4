"""A route: one way to reach a relay, as plain data, with a text for people and bytes for texts that must be short.

    [wrapper|]…transport://host[:port][/path][?sni=name&ip=address&ip=…]

Transports are `wss`, `https`, `ws`, `http`; wrappers stand before it from outside in. The text form is canonical: names in
lower case, addresses in their shortest form (RFC 5952), the usual port left out, `sni` before `ip`. `sni=` without a name
means that none is sent; without `sni` it is the host.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, replace

from .errors import Malformed

TRANSPORTS = ("wss", "https", "ws", "http")
"""Their place is their number in the bytes."""
USUAL_PORTS = {"wss": 443, "https": 443, "ws": 80, "http": 80}
ADDRESSES_MAX = 15
WRAPPERS_MAX = 15
WRAPPER_MAX = 128
PATH_MAX = 255
ROUTE_TEXT_MAX = 1024

PUBLIC = "public"
"""The wrapper of a way that others told: never to an address of a private network."""

KEY = "key"
"""The wrapper of a way whose certificate nobody vouches for: `key:` and the SHA-256 of its public key, in base32."""
_KEY = re.compile(r"key:([a-z2-7]{51}[aq])\Z")

_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\Z"
)
_PATH = re.compile(r"(/[A-Za-z0-9._~!$'()*+,;=:@%-]*)+\Z")
_WRAPPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~!$'()*+,;=:@%/?&\[\]-]*\Z")
_NUMERIC = re.compile(r"[0-9.]+\Z|.*\.[0-9]+\Z|.*\.0x[0-9a-f]*\Z|0x[0-9a-f]*\Z")
_TEXT = re.compile(
    r"(?P<transport>[A-Za-z]+)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]/?:#@]+)(:(?P<port>[0-9]{1,5}))?(?P<path>/[^?#]*)?(\?(?P<query>[^?#]*))?\Z"
)

_PORT, _SAME_PATH, _EXTRAS, _SAME_HOST = 0x10, 0x20, 0x40, 0x80
_HOST_NAME, _HOST_IPV4, _HOST_IPV6 = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Route:
    """One way. `host`: a name or an address, without brackets; `path` starts with a slash; `sni` None: the host's name,
    "": none is sent; `addresses`: what the host's name is known to resolve to; `wrappers`: from outside in."""

    transport: str
    host: str
    port: int
    path: str = "/"
    sni: str | None = None
    addresses: tuple[str, ...] = ()
    wrappers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(self)

    @property
    def text(self) -> str:
        """The canonical text."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == USUAL_PORTS[self.transport] else f":{self.port}"
        query = [] if self.sni is None else [f"sni={self.sni}"]
        query += [f"ip={address}" for address in self.addresses]
        parts = [
            *self.wrappers,
            f"{self.transport}://{host}{port}{self.path}" + ("?" if query else "") + "&".join(query),
        ]
        return "|".join(parts)

    @property
    def host_is_address(self) -> bool:
        """Whether the host is an IP address and needs no resolving."""
        return _address(self.host) is not None

    def __str__(self) -> str:
        return self.text


def with_key(route: Route, key: bytes) -> Route:
    """The same way, to a server with that public key (`key`: SHA-256 of its SubjectPublicKeyInfo) and whatever certificate. Raises Malformed."""
    text = base64.b32encode(key).decode("ascii").rstrip("=").lower()
    return replace(route, wrappers=(*route.wrappers, f"{KEY}:{text}"))


def key_of(wrapper: str) -> bytes:
    """The key that this wrapper names. Raises Malformed."""
    found = _KEY.match(wrapper)
    if found is None:
        raise Malformed("The key in this way is none.")
    return base64.b32decode(found[1].upper() + "====")


def parse_route(text: str) -> Route:
    """The route of a text; case in names, a usual port and long forms of addresses do not matter. Raises Malformed."""
    if len(text) > ROUTE_TEXT_MAX:
        raise Malformed("This way is too long.")
    *wrappers, inner = text.strip().split("|")
    found = _TEXT.match(inner)
    if found is None:
        raise Malformed("This is not a way to a relay: one looks like wss://host:port/path.")
    transport = found["transport"].lower()
    if transport not in USUAL_PORTS:
        raise Malformed("This way starts with something other than wss, https, ws or http.")
    sni: str | None = None
    addresses: list[str] = []
    for item in found["query"].split("&") if found["query"] else ():
        name, equals, value = item.partition("=")
        if name == "sni" and equals and sni is None and not addresses:
            sni = value.lower()
        elif name == "ip" and equals:
            addresses.append(_canonical(value.strip("[]")))
        else:
            raise Malformed("This way has something after its question mark that is not known.")
    host = found["host"].strip("[]").lower()
    return Route(
        transport,
        _canonical(host) if _address(host) is not None else host,
        USUAL_PORTS[transport] if found["port"] is None else int(found["port"]),
        found["path"] or "/",
        sni,
        tuple(addresses),
        tuple(wrappers),
    )


def write_routes(routes: tuple[Route, ...]) -> bytes:
    """Their bytes, one after the other; each says what it shares with the one before it."""
    out = bytearray()
    last: Route | None = None
    for route in routes:
        _write_route(out, route, last)
        last = route
    return bytes(out)


def read_routes(data: bytes, count: int, start: int) -> tuple[tuple[Route, ...], int]:
    """`count` routes from `start` on, and where they end. Raises Malformed, also for any but the one form."""
    reader = _Reader(data, start)
    routes: list[Route] = []
    for _ in range(count):
        routes.append(_read_route(reader, routes[-1] if routes else None))
    if write_routes(tuple(routes)) != data[start : reader.at]:
        raise Malformed("ways in another than their one form")
    return tuple(routes), reader.at


def _check(route: Route) -> None:
    if route.transport not in USUAL_PORTS:
        raise Malformed("a way by a transport that is not known")
    if _address(route.host) is None:
        if not _NAME.match(route.host) or _NUMERIC.match(route.host):
            raise Malformed("The host in this way is neither a name nor an address.")
    elif _canonical(route.host) != route.host:
        raise Malformed("an address in another than its shortest form")
    if not 0 < route.port < 65536:
        raise Malformed("The port in this way is not between 1 and 65535.")
    if len(route.path) > PATH_MAX or not _PATH.match(route.path):
        raise Malformed("The path in this way has characters that do not belong there, or is too long.")
    if route.sni and (not _NAME.match(route.sni)):
        raise Malformed("The name after sni= is none.")
    if len(route.addresses) > ADDRESSES_MAX or len(route.wrappers) > WRAPPERS_MAX:
        raise Malformed("This way has too many addresses or wrappers.")
    for address in route.addresses:
        if _canonical(address) != address:
            raise Malformed("an address in another than its shortest form")
    for wrapper in route.wrappers:
        if len(wrapper) > WRAPPER_MAX or not _WRAPPER.match(wrapper):
            raise Malformed("A wrapper in this way has characters that do not belong there.")
    if len(route.text) > ROUTE_TEXT_MAX:
        raise Malformed("This way is too long.")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if "%" in text else found


def _canonical(text: str) -> str:
    found = _address(text)
    if found is None:
        raise Malformed("An address in this way is none.")
    return _shortest(found)


def _shortest(found: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    # An IPv4 address that is mapped into IPv6 is that address; Python writes such ones differently since 3.13.
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).compressed


class _Reader:
    """Bytes and a place in them."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def take(self, size: int) -> bytes:
        taken = self.data[self.at : self.at + size]
        if len(taken) != size:
            raise Malformed("ways that end too early")
        self.at += size
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def text(self) -> str:
        try:
            return self.take(self.byte()).decode("ascii")
        except UnicodeDecodeError:
            raise Malformed("ways with foreign characters") from None

    def address(self, size: int) -> str:
        return _shortest(ipaddress.ip_address(self.take(size)))


def _write_text(out: bytearray, text: str) -> None:
    out.append(len(text))
    out += text.encode("ascii")


def _write_route(out: bytearray, route: Route, last: Route | None) -> None:
    address = _address(route.host)
    kind = _HOST_NAME if address is None else _HOST_IPV4 if address.version == 4 else _HOST_IPV6
    same_host = last is not None and last.host == route.host
    same_path = last is not None and last.path == route.path
    own_port = route.port != USUAL_PORTS[route.transport]
    extras = route.sni is not None or bool(route.addresses) or bool(route.wrappers)
    out.append(
        TRANSPORTS.index(route.transport)
        | (0 if same_host else kind << 2)
        | own_port * _PORT
        | same_path * _SAME_PATH
        | extras * _EXTRAS
        | same_host * _SAME_HOST
    )
    if not same_host:
        if address is None:
            _write_text(out, route.host)
        else:
            out += address.packed
    if own_port:
        out += route.port.to_bytes(2, "big")
    if not same_path:
        _write_text(out, route.path[1:])
    if extras:
        out.append(len(route.addresses) << 4 | len(route.wrappers))
        out.append(route.sni is not None)
        if route.sni is not None:
            _write_text(out, route.sni)
        for text in route.addresses:
            packed = ipaddress.ip_address(text).packed
            out.append(len(packed))
            out += packed
        for wrapper in route.wrappers:
            _write_text(out, wrapper)


def _read_route(reader: _Reader, last: Route | None) -> Route:
    head = reader.byte()
    transport = TRANSPORTS[head & 3]
    if head & (_SAME_HOST | _SAME_PATH) and last is None:
        raise Malformed("a first way that refers to one before it")
    if head & _SAME_HOST and last is not None:
        host = last.host
    else:
        kind = head >> 2 & 3
        if kind == 3:
            raise Malformed("a host of a kind that is not known")
        host = reader.text() if kind == _HOST_NAME else reader.address(4 if kind == _HOST_IPV4 else 16)
    port = int.from_bytes(reader.take(2), "big") if head & _PORT else USUAL_PORTS[transport]
    path = last.path if head & _SAME_PATH and last is not None else "/" + reader.text()
    sni: str | None = None
    addresses: list[str] = []
    wrappers: list[str] = []
    if head & _EXTRAS:
        counts = reader.byte()
        if reader.byte():
            sni = reader.text()
        for _ in range(counts >> 4):
            size = reader.byte()
            if size not in (4, 16):
                raise Malformed("an address of a kind that is not known")
            addresses.append(reader.address(size))
        wrappers.extend(reader.text() for _ in range(counts & 15))
    return Route(transport, host, port, path, sni, tuple(addresses), tuple(wrappers))
