"""Two XMPP clients with OMEMO, and the bytes of their messages on the wire; run by a Python of its own (see xmpp_omemo.py).

    omemo_client.py PORT TIMES TEXT

Each client speaks TLS to the server's port through a pipe that counts bytes both ways, outside of the TLS. Both have one device;
the session is warm (each has answered the other) before anything is counted. Prints JSON: for each message the bytes up from
the sender and down to the receiver. No stream management, no receipts, no carbons: less on the wire than clients have.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import sys
from typing import Any

from omemo.storage import Just, Maybe, Nothing, Storage
from slixmpp.clientxmpp import ClientXMPP
from slixmpp.jid import JID
from slixmpp.plugins import register_plugin
from slixmpp.stanza import Message
from slixmpp_omemo import XEP_0384

QUIET = 0.3
"""Seconds after which what belongs to a message has surely passed."""


class Memory(Storage):
    """Keys of a device that lives as long as this process."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, Any] = {}

    async def _load(self, key: str) -> Maybe[Any]:
        return Just(self._kept[key]) if key in self._kept else Nothing()

    async def _store(self, key: str, value: Any) -> None:
        self._kept[key] = value

    async def _delete(self, key: str) -> None:
        self._kept.pop(key, None)


class Omemo(XEP_0384):
    """XEP-0384 that trusts every device at first sight."""

    def plugin_init(self) -> None:
        self._memory = Memory()
        super().plugin_init()

    @property
    def storage(self) -> Storage:
        return self._memory

    @property
    def _btbv_enabled(self) -> bool:
        return True

    async def _prompt_manual_trust(self, undecided: Any, identifier: Any) -> None:
        raise RuntimeError("blind trust never asks")


register_plugin(Omemo)


class Pipe:
    """Passes a connection on and counts its bytes."""

    def __init__(self, port: int) -> None:
        self.up = self.down = 0
        self._port = port

    async def listen(self) -> int:
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self._server = server
        return int(server.sockets[0].getsockname()[1])

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._copy(reader, there[1], "up"))
            tasks.create_task(self._copy(there[0], writer, "down"))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        try:
            while data := await reader.read(65536):
                setattr(self, way, getattr(self, way) + len(data))
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


class Client(ClientXMPP):
    def __init__(self, name: str, pipe: Pipe) -> None:
        super().__init__(f"{name}@localhost", name)
        self.pipe = pipe
        self.texts: asyncio.Queue[str] = asyncio.Queue()
        self.ready = asyncio.get_running_loop().create_future()
        self.use_message_ids = True
        self.enable_direct_tls, self.enable_starttls, self.enable_plaintext = True, False, False
        self.register_plugin("xep_0380")
        self.register_plugin("xep_0384", module=sys.modules[__name__])
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("failed_auth", lambda _: self.ready.set_exception(RuntimeError("not let in")))
        self.add_event_handler("message", self.take)

    def get_ssl_context(self) -> ssl.SSLContext:
        context = super().get_ssl_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    async def begin(self, _: object) -> None:
        self.send_presence()
        await self["xep_0384"].get_session_manager()
        self.ready.set_result(None)

    async def take(self, stanza: Message) -> None:
        omemo = self["xep_0384"]
        if omemo.is_encrypted(stanza):
            opened, _ = await omemo.decrypt_message(stanza)
            await self.texts.put(opened["body"])

    async def say(self, name: str, text: str) -> None:
        to = JID(f"{name}@localhost")
        stanza = self.make_message(mto=to, mtype="chat")
        stanza["body"] = text
        sealed, errors = await self["xep_0384"].encrypt_message(stanza, to)
        assert sealed is not None, errors
        sealed.send()


async def main(port: int, times: int, text: str) -> None:
    clients = []
    for name in ("ada", "bo"):
        pipe = Pipe(port)
        client = Client(name, pipe)
        client.connect("127.0.0.1", await pipe.listen())
        await asyncio.wait_for(client.ready, 60)
        clients.append(client)
    ada, bo = clients
    async with asyncio.timeout(120):
        for _ in range(2):
            await ada.say("bo", "warm")
            assert await bo.texts.get() == "warm"
            await bo.say("ada", "warm")
            assert await ada.texts.get() == "warm"
        await asyncio.sleep(2)
        found = []
        for _ in range(times):
            before = (ada.pipe.up, bo.pipe.down)
            await ada.say("bo", text)
            assert await bo.texts.get() == text
            await asyncio.sleep(QUIET)
            found.append([ada.pipe.up - before[0], bo.pipe.down - before[1]])
            # An answer turns the ratchet, as in a conversation.
            await bo.say("ada", "warm")
            await ada.texts.get()
            await asyncio.sleep(QUIET)
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
