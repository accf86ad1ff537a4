"""The real programs of the demo: a relay, three bridges, two apps with accounts that know each other; and the resolvers of its world.

All listen on loopback, keep everything in one temporary folder, and end with whoever built them.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import secrets
import ssl
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from demo import place, plain
from demo.guardian import Guardian
from demo.people import Person
from lab import services
from lab.ca import Authority, Certificate
from lab.policy import ResolverPolicy
from whimbrel.wire.texts import parse_address

ROOT: Final = Path(__file__).parent.parent
WHIMBREL: Final = Path(sys.executable).parent / "whimbrel"
READY_WITHIN: Final = 120.0
"""Seconds: a slow machine has slow moments."""
END_WITHIN: Final = 10.0


class CannotBuild(Exception):
    """A program did not come up; what it said about that."""


@dataclass(frozen=True, slots=True)
class Program:
    process: asyncio.subprocess.Process
    ready: dict[str, Any]


class Programs:
    """Those that run. Ended by `close`, and by the guardian when this process is killed."""

    def __init__(self, folder: Path, guardian: Guardian) -> None:
        self._folder = folder
        self._guardian = guardian
        self._running: list[asyncio.subprocess.Process] = []

    async def start(self, label: str, *words: str, told: object = None) -> Program:
        """Start a program and wait for the line that says that it is ready. `told`: for its stdin."""
        log = self._folder / f"{label}.log"
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.PIPE if told is not None else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=_environment(self._folder),
                cwd=ROOT,
                start_new_session=True,  # Ctrl-C is for us: we end them, in order
            )
        self._running.append(process)
        self._guardian.watch(process.pid)
        if process.stdin is not None:
            process.stdin.write(json.dumps(told).encode() + b"\n")
        assert process.stdout is not None
        try:
            async with asyncio.timeout(READY_WITHIN):
                line = await process.stdout.readline()
        except TimeoutError:
            line = b""
        ready = json.loads(line) if line else {}
        if ready.get("event") != "ready":
            raise CannotBuild(f"{label} did not start: {ready or log.read_text()[-2000:]}")
        return Program(process, ready)

    async def end(self, program: Program) -> None:
        await _end(program.process)
        self._running.remove(program.process)
        self._guardian.forget(program.process.pid)

    async def close(self) -> None:
        await asyncio.gather(*(_end(process) for process in self._running))


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(END_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of the person who runs the demo: no home, no keyring, no proxies, no settings of theirs."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "SYSTEMROOT") if name in os.environ}
    return {
        **kept,
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "WHIMBREL_RESOLVERS": "",
    }


@dataclass(frozen=True, slots=True)
class Servers:
    """What is beyond the censor."""

    authority: Path
    """The certificates that the two people's apps trust."""
    places: Mapping[str, int]
    """Address → where it is served here."""
    address: str
    """The relay's, for people."""


@asynccontextmanager
async def servers(folder: Path, programs: Programs) -> AsyncIterator[Servers]:
    """Relay, bridges, resolvers."""
    async with AsyncExitStack() as stack:
        authority = Authority(folder / "ca")
        issued = authority.issue("relay", _names_of(place.RELAY), place.RELAY)
        relay_words = _server_words(folder, "relay", issued)
        relay_words += ["--public", _way(place.RELAY_NAME, place.RELAY)]
        relay = await programs.start("relay", str(WHIMBREL), "relay", *relay_words)
        port = relay.ready["port"]
        started = await asyncio.gather(
            *(
                _bridge(folder, programs, authority, number, _directly(relay.ready["address"], port))
                for number in range(len(place.BRIDGES))
            )
        )
        # It hands on to its people what its bridges print: so it comes up a second time, as it does for who runs one.
        await programs.end(relay)
        for bridge in started:
            relay_words += ["--way", bridge.ready["address"]]
        relay = await programs.start("relay", str(WHIMBREL), "relay", *relay_words)
        issued = authority.issue(
            "dns", [name for name, _ in place.RESOLVERS], [address for _, address in place.RESOLVERS]
        )
        dns = await stack.enter_async_context(_resolvers(issued))
        places = {
            **dict.fromkeys(place.RELAY, relay.ready["port"]),
            **{
                address: bridge.ready["port"]
                for (_, address), bridge in zip(place.BRIDGES, started, strict=True)
            },
            **{address: dns for _, address in place.RESOLVERS},
        }
        yield Servers(authority.root, places, relay.ready["address"])


async def _bridge(folder: Path, programs: Programs, authority: Authority, number: int, relay: str) -> Program:
    name, address = place.BRIDGES[number]
    label = f"bridge{number + 1}"
    words = _server_words(folder, label, authority.issue(label, [name], [address]))
    words += ["--to", relay, "--authority", str(authority.root), "--public", _way(name, (address,))]
    return await programs.start(label, str(WHIMBREL), "bridge", *words)


def _server_words(folder: Path, label: str, issued: Certificate) -> list[str]:
    words = ["--data", str(folder / label), "--listen", "127.0.0.1:0"]
    return [*words, "--cert", str(issued.chain), "--key", str(issued.key)]


def _names_of(addresses: Sequence[str]) -> list[str]:
    return [name for name, found in place.ZONE.items() if tuple(found) == tuple(addresses)]


def _way(name: str, addresses: Sequence[str]) -> str:
    """A way by name that names its addresses, too."""
    return f"wss://{name}?{'&'.join(f'ip={address}' for address in addresses)}"


def _directly(address: str, port: int) -> str:
    """The relay's address as a bridge has it: bridges stand beyond the censor, beside the relay."""
    parsed = parse_address(address)
    routes = tuple(replace(route, port=port, addresses=("127.0.0.1",)) for route in parsed.routes)
    return replace(parsed, routes=routes).text


@asynccontextmanager
async def _resolvers(issued: Certificate) -> AsyncIterator[int]:
    """The world's public resolvers, by HTTPS (RFC 8484), which tell the truth; the port."""

    async def answer(request: web.Request) -> web.Response:
        text = request.query.get("dns", "")
        try:
            question = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            raise web.HTTPBadRequest from None
        question = await request.read() if request.method == "POST" else question
        found = services.answer(question, place.ZONE, ResolverPolicy())
        if found is None:
            raise web.HTTPBadRequest
        return web.Response(body=found[0], content_type="application/dns-message")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.chain, issued.key)
    context.set_alpn_protocols(["http/1.1"])
    application = web.Application()
    application.router.add_route("*", "/dns-query", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def make_secrets() -> dict[str, str]:
    """What each one says to the censor."""
    return {name: secrets.token_urlsafe(32) for name in (*place.PEOPLE, plain.NAME)}


async def two_people(
    folder: Path,
    programs: Programs,
    beyond: Servers,
    censor: int,
    secrets_of: Mapping[str, str],
    framed_by: str,
) -> tuple[Person, Person]:
    """Their apps, with accounts on the relay, in contact."""

    async def one(name: str) -> Person:
        home = folder / name.lower()
        told = {
            "home": str(home),
            "authority": str(beyond.authority),
            "censor": censor,
            "secret": secrets_of[name],
            "framed_by": framed_by,
        }
        await programs.start(f"app-{name}", sys.executable, "-m", "demo.app", told=told)
        person = Person(name, home)
        await person.ask("init", name=name, relay=beyond.address)
        # Two pages that chime and tell what came every second are more than anybody wants to hear.
        await person.ask("set_settings", sounds=False, notify="off")
        return person

    ada, bo = await asyncio.gather(*(one(name) for name in place.PEOPLE))
    invite = (await ada.one("invite"))["invite"]
    await bo.ask("accept", invite=invite)
    async with asyncio.timeout(READY_WITHIN):
        await asyncio.gather(_settled(ada), _settled(bo))
    return ada, bo


async def _settled(person: Person) -> None:
    """Until somebody has a friend, and nothing waits to be sent."""
    async for _ in person.items("follow"):
        if await person.ask("contacts") and not (await person.one("status"))["waiting"]:
            [friend] = [name for name in place.PEOPLE if name != person.name]
            [person.chat] = [one["id"] for one in await person.ask("chats") if one["name"] == friend]
            return
