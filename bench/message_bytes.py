"""How many bytes is one message of 100 characters on an open stream, TLS records included, beside XMPP with OMEMO?

Ours: two homes and a relay that speaks TLS, the bytes counted outside of it; without receipts, which go later and in batches.
Theirs: two clients of slixmpp with OMEMO through Prosody's TLS, counted the same way, with less around it than clients have
(no stream management, no receipts, no carbons). Each person has one device, in both.
"""

from __future__ import annotations

import asyncio
import ssl
import statistics
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from _record import Figure, middle, tell
from _town import befriend, home, one, relay
from peers import xmpp_omemo
from peers.debian import Absent
from peers.process import Failed
from whimbrel.client.service import Service
from whimbrel.wire.texts import parse_address

TIMES = 10
TEXT = "Are you coming tonight? We meet at eight at the old bridge, bring warm clothes and something to eat."


class Meter:
    """A way to the relay through real TLS, counted outside of it: bytes up and down as TLS records, without TCP/IP."""

    def __init__(self, port: int) -> None:
        self.up = self.down = 0
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> int:
        """Takes plain connections on loopback, gives them TLS; the port."""
        counted = await asyncio.start_server(self._count, "127.0.0.1", 0)
        self._counting = counted.sockets[0].getsockname()[1]
        plain = await asyncio.start_server(self._wrap, "127.0.0.1", 0)
        return int(plain.sockets[0].getsockname()[1])

    async def _wrap(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        there = await asyncio.open_connection("127.0.0.1", self._counting, ssl=context)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pass(reader, there[1]))
            tasks.create_task(self._pass(there[0], writer))

    async def _count(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pass(reader, there[1], "up"))
            tasks.create_task(self._pass(there[0], writer, "down"))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str = "") -> None:
        try:
            while data := await reader.read(65536):
                if way:
                    setattr(self, way, getattr(self, way) + len(data))
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


async def arrived(bo: Service, count: int) -> None:
    """Wait until so many messages are in the one chat."""
    store, [chat] = bo.shell.home.database, bo.person().chats
    assert await bo.shell.until(lambda: len(store.messages(chat, 0, None, False)) == count, 10)


def with_omemo() -> tuple[list[Figure], dict[str, str | None], dict[str, str]]:
    """The same of XMPP with OMEMO, where it can be had."""
    try:
        found, versions = xmpp_omemo.message_bytes(TEXT, TIMES)
    except (Absent, Failed) as error:
        print(f"  XMPP with OMEMO: cannot be had: {error}", flush=True)
        return [], {}, {"XMPP with OMEMO": str(error)}
    ups, downs = zip(*found, strict=True)
    return (
        [
            middle("XMPP with OMEMO: one message, up from the sender", ups, "bytes"),
            middle("XMPP with OMEMO: one message, down to the receiver", downs, "bytes"),
        ],
        versions,
        {},
    )


async def main() -> None:
    assert len(TEXT) == 100
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        certificate, key = base / "cert.pem", base / "key.pem"
        make = await asyncio.create_subprocess_exec(
            *["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-subj", "/CN=localhost", "-days", "2", "-out", certificate, "-keyout", key],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert await make.wait() == 0
        async with relay(base / "relay", "--cert", str(certificate), "--key", str(key)) as text:
            address = parse_address(text)
            of_ada, of_bo = Meter(address.routes[0].port), Meter(address.routes[0].port)
            through = []
            for meter in (of_ada, of_bo):
                route = replace(
                    address.routes[0], transport="ws", host="127.0.0.1", port=await meter.listen(), sni=None
                )
                through.append(replace(address, routes=(route,)).text)
            async with (
                home(base / "ada", "Ada", through[0]) as ada,
                home(base / "bo", "Bo", through[1]) as bo,
            ):
                await befriend(ada, bo)
                await asyncio.sleep(3)
                ups, downs, echoes, backs = [], [], [], []
                for n in range(TIMES):
                    await asyncio.sleep(2.6)  # the receipts of the last one are through
                    before = (of_ada.up, of_ada.down, of_bo.up, of_bo.down)
                    await one(ada, "send", chat="Bo", text=TEXT)
                    await arrived(bo, n + 1)
                    await asyncio.sleep(0.2)
                    after = (of_ada.up, of_ada.down, of_bo.up, of_bo.down)
                    up, echo, back, down = (b - a for a, b in zip(before, after, strict=True))
                    ups.append(up), downs.append(down), echoes.append(echo), backs.append(back)
    theirs, versions, absent = with_omemo()
    tell(
        "message_bytes",
        [
            middle("one message, up from the sender", ups, "bytes", at_most=600),
            middle("one message, down to the receiver", downs, "bytes", at_most=600),
            Figure(
                "beside it: the answer and the echo, down to the sender", statistics.median(echoes), "bytes"
            ),
            Figure("beside it: up from the receiver", statistics.median(backs), "bytes"),
            *theirs,
        ],
        times=TIMES,
        counted="TLS 1.3 records, without TCP/IP and without receipts",
        peers=versions,
        absent=absent,
    )


if __name__ == "__main__":
    asyncio.run(main())
