"""Proxies that are there already: SOCKS5 (RFC 1928, RFC 1929) and HTTP CONNECT (RFC 9110, 9.3.6), as wrappers of a route.

`socks5://[name:password@]host:port` and `connect://…`. The proxy resolves the relay's name, unless the route has addresses.
What the system is set to use is picked up as further candidates (`of_system`, `proxied`); nothing here is ever required.
"""

from __future__ import annotations

import base64
import dataclasses
import ipaddress
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

import h11

from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports.errors import TransportError
from whimbrel.transports.policy import is_private
from whimbrel.transports.stream import ByteStream
from whimbrel.wire.errors import Malformed
from whimbrel.wire.routes import Route

USUAL_PORTS: Final = {"socks5": 1080, "connect": 8080}
TEXT_MAX: Final = 255
"""Bytes of a name, a user name or a password in SOCKS5."""


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """Where a proxy shall lead."""

    host: str
    port: int


@dataclasses.dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy as a wrapper names it."""

    kind: str
    host: str
    port: int
    user: str | None = None
    password: str | None = None


def parse_proxy(wrapper: str) -> Proxy:
    """The proxy of a wrapper's text. Raises Malformed."""
    try:
        parts = urlsplit(wrapper)
        kind, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        raise Malformed("A proxy in this way is none.") from None
    if kind not in USUAL_PORTS or not host or parts.path not in ("", "/") or parts.query:
        raise Malformed("A proxy in this way is none.")
    user = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    if any(len((text or "").encode()) > TEXT_MAX for text in (host, user, password)):
        raise Malformed("A proxy in this way has a name or a password that is too long.")
    return Proxy(kind, host, port or USUAL_PORTS[kind], user, password)


async def go_through(proxy: Proxy, stream: ByteStream, target: Target) -> ByteStream:
    """Have the proxy to which `stream` leads connect to `target`. Raises TransportError (connect)."""
    if proxy.kind == "socks5":
        await ask_socks(stream, target, proxy.user, proxy.password)
        return stream
    return await _ask_connect(stream, target, proxy)


# --------------------------------------------------------------------------------------------- SOCKS5

_NO_NAME, _NAME_AND_PASSWORD = 0, 2
_REFUSALS: Final = {
    2: Reason.REFUSED,  # by its rules
    3: Reason.UNREACHABLE,
    4: Reason.UNREACHABLE,
    5: Reason.REFUSED,
    6: Reason.TIMED_OUT,
}


async def ask_socks(
    stream: ByteStream, target: Target, user: str | None = None, password: str | None = None
) -> None:
    """The words of SOCKS5 up to the connection. Nothing that follows them is taken. Raises TransportError (connect)."""
    came = _Pieces(stream)
    methods = bytes([_NO_NAME] if user is None else [_NO_NAME, _NAME_AND_PASSWORD])
    await stream.send(b"\x05" + bytes([len(methods)]) + methods)
    version, method = await came.take(2)
    if version != 5 or method not in methods:
        raise TransportError(Stage.CONNECT, Reason.FAILED if version != 5 else Reason.REFUSED)
    if method == _NAME_AND_PASSWORD:
        await stream.send(b"\x01" + _counted(user or "") + _counted(password or ""))
        if (await came.take(2))[1] != 0:
            raise TransportError(Stage.CONNECT, Reason.REFUSED)
    await stream.send(b"\x05\x01\x00" + _socks_address(target.host) + target.port.to_bytes(2, "big"))
    version, code, _, kind = await came.take(4)
    if version != 5 or code != 0:
        raise TransportError(Stage.CONNECT, _REFUSALS.get(code, Reason.FAILED))
    size = {1: 4, 4: 16}.get(kind)
    await came.take((size if size is not None else (await came.take(1))[0]) + 2)
    if came.rest:
        raise TransportError(
            Stage.CONNECT, Reason.FAILED
        )  # a server that speaks before it is spoken to is none of ours


def _counted(text: str) -> bytes:
    data = text.encode()
    return bytes([len(data)]) + data


def _socks_address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return b"\x03" + _counted(host)
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed


class _Pieces:
    """So many bytes of a stream at a time."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.rest = b""

    async def take(self, size: int) -> bytes:
        while len(self.rest) < size:
            data = await self._stream.receive()
            if not data:
                raise TransportError(Stage.CONNECT, Reason.ENDED)
            self.rest += data
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken


# --------------------------------------------------------------------------------------------- HTTP CONNECT


async def _ask_connect(stream: ByteStream, target: Target, proxy: Proxy) -> ByteStream:
    host = f"[{target.host}]" if ":" in target.host else target.host
    where = f"{host}:{target.port}"
    headers = [("Host", where), ("Proxy-Connection", "keep-alive")]
    if proxy.user is not None:
        basic = base64.b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()
        headers.append(("Proxy-Authorization", f"Basic {basic}"))
    http = h11.Connection(h11.CLIENT)
    asked = http.send(h11.Request(method="CONNECT", target=where, headers=headers)) or b""
    await stream.send(asked + (http.send(h11.EndOfMessage()) or b""))
    try:
        while not isinstance(event := http.next_event(), h11.Response):
            if event is h11.NEED_DATA:
                data = await stream.receive()
                if not data:
                    raise TransportError(Stage.CONNECT, Reason.ENDED)
                http.receive_data(data)
    except h11.RemoteProtocolError:
        raise TransportError(Stage.CONNECT, Reason.FAILED) from None
    if event.status_code // 100 != 2:
        timed_out = event.status_code == 504
        raise TransportError(Stage.CONNECT, Reason.TIMED_OUT if timed_out else Reason.REFUSED)
    if http.trailing_data[0]:
        raise TransportError(Stage.CONNECT, Reason.FAILED)
    return stream


# --------------------------------------------------------------------------------------------- what the system says

_AS_WRAPPER: Final = {"http": "connect", "socks": "socks5", "socks5": "socks5", "socks5h": "socks5"}


def of_system(settings: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The proxies that this computer is set to use for the web, as wrappers, each once. `settings`: as `getproxies` gives them."""
    found = urllib.request.getproxies() if settings is None else settings
    wrappers: dict[str, None] = {}
    for purpose in ("https", "all", "socks"):
        text = found.get(purpose, "")
        parts = urlsplit(text if "://" in text else f"http://{text}")
        kind = "socks5" if purpose == "socks" else _AS_WRAPPER.get(parts.scheme)
        try:
            if text and kind is not None and parts.hostname:
                wrapper = f"{kind}://{parts.netloc}"
                parse_proxy(wrapper)
                wrappers[wrapper] = None
        except (ValueError, Malformed):
            continue  # a setting that nobody could use
    return tuple(wrappers)


def _is_excepted(host: str) -> bool:
    """Whether the environment's `no_proxy` names it. Not asked of the system: some would look the name up to answer."""
    for word in urllib.request.getproxies().get("no", "").lower().split(","):
        ending = word.strip().removeprefix("*").removeprefix(".")
        if word.strip() == "*" or (ending and (host == ending or host.endswith("." + ending))):
            return True
    return False


def proxied(routes: Iterable[Route], proxies: Iterable[str] | None = None) -> tuple[Route, ...]:
    """These routes through each of these proxies (wrappers; None: those of the system). Ways on this computer and in
    private networks, and those that go through a proxy already, have no use for one; nor have those that the system excepts."""
    through = tuple(of_system() if proxies is None else proxies)
    found = []
    for route in routes:
        inside = route.host == "localhost" or is_private(route.host)
        if proxies is None and through and _is_excepted(route.host):
            continue
        if inside or any(w.split(":")[0].lower() in USUAL_PORTS for w in route.wrappers):
            continue
        for proxy in through:
            try:
                found.append(dataclasses.replace(route, wrappers=(proxy, *route.wrappers)))
            except Malformed:
                continue  # too long for a route
    return tuple(found)
