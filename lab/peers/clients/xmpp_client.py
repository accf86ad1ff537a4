"""An XMPP client of slixmpp, as somebody writes one who has read its documentation: direct TLS, stream management with resumption,
pings that find a dead connection, and again when it is gone. What was said while there was no session, or was not acknowledged when one
was lost for good, goes with the next one, under the same `origin-id` (XEP-0359), by which whoever gets it twice shows it once.

    python -m lab.peers.clients.xmpp_client ada@chat.example password HOST PORT

Lines of JSON on stdin: {"to": …, "say": …} or {"to": …, "file": path}. Prints one for what happens: up, arrived, acknowledged, file.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from slixmpp import JID, ClientXMPP

PING_EVERY_S, PING_PATIENCE_S = 10, 5
"""slixmpp's own are 300 and 30; nothing that its documentation shows is quicker than these."""
CONNECT_PATIENCE_S = 10.0
"""Else the system's two minutes. slixmpp's `cancel_connection_attempt` is made for it ("flaky networks")."""
UPLOAD = "upload."
_FILE_WAIT_S = 2.0


class Client(ClientXMPP):
    """One account, one connection at a time."""

    def __init__(self, jid: str, password: str, host: str, port: int) -> None:
        super().__init__(jid, password)
        self._where = (host, port)
        self._number = 0
        self._undelivered: dict[str, Any] = {}
        """Said and not acknowledged by the server, oldest first."""
        self._handed: set[str] = set()
        """Those of them that slixmpp has, in this session."""
        self._shown: set[str] = set()
        self._in_session = False
        self._attempt = 0
        self.enable_direct_tls, self.enable_starttls, self.enable_plaintext = True, False, False
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0359")
        self.register_plugin("xep_0363")
        self.register_plugin(
            "xep_0199", {"keepalive": True, "interval": PING_EVERY_S, "timeout": PING_PATIENCE_S}
        )
        self.register_plugin("xep_0198", {"window": 1})
        self.add_event_handler("session_start", self._on_start)
        self.add_event_handler("session_resumed", self._on_resumed)
        self.add_event_handler("disconnected", self._on_disconnected)
        self.add_event_handler("connecting", self._on_connecting)
        self.add_event_handler("message", self._on_message)
        self.add_event_handler("stanza_acked", self._on_acknowledged)

    def go(self) -> None:
        self.connect(*self._where)

    # -- the connection --------------------------------------------------------------------------------------------

    def _on_connecting(self, _event: object) -> None:
        self._attempt += 1
        attempt = self._attempt

        def look() -> None:
            if attempt == self._attempt and self.is_connecting():
                self.go()

        self.loop.call_later(CONNECT_PATIENCE_S, look)

    async def _on_start(self, _event: object) -> None:
        self.send_presence()
        self._handed.clear()
        self._is_up()

    async def _on_resumed(self, _event: object) -> None:
        self._is_up()

    def _is_up(self) -> None:
        self._in_session = True
        tell(up=True)
        for number, message in self._undelivered.items():
            self._hand_over(number, message)

    def _on_disconnected(self, reason: object) -> None:
        self._in_session = False
        tell(up=False, why=str(reason))
        self.go()

    # -- messages --------------------------------------------------------------------------------------------------

    def say(self, to: str, text: str) -> None:
        self._number += 1
        number = f"{self.boundjid.user}-{self._number}"
        message = self.make_message(mto=to, mbody=text, mtype="chat")
        message["id"] = number
        message["origin_id"]["id"] = number
        self._undelivered[number] = message
        if self._in_session:
            self._hand_over(number, message)

    def _hand_over(self, number: str, message: Any) -> None:
        if number not in self._handed:
            self._handed.add(number)
            message.send()

    def _on_acknowledged(self, stanza: Any) -> None:
        if self._undelivered.pop(stanza["id"], None) is not None:
            tell(acknowledged=stanza["body"])

    async def _on_message(self, message: Any) -> None:
        if message["type"] not in ("chat", "normal") or not message["body"]:
            return
        number = message["origin_id"]["id"] or message["id"]
        if number in self._shown:
            return
        self._shown.add(number)
        body = message["body"]
        if body.startswith("https://" + UPLOAD):
            await self._fetch(body)
        else:
            tell(arrived=body)

    # -- files (XEP-0363) ------------------------------------------------------------------------------------------

    async def send_file(self, to: str, path: str) -> None:
        """Tries until it is done, as a person presses the button again."""
        body = Path(path).read_bytes()
        while True:
            try:
                slot = await self.plugin["xep_0363"].request_slot(
                    JID(UPLOAD + self.boundjid.host), Path(path).name, len(body), timeout=30
                )
                put, get = slot["http_upload_slot"]["put"]["url"], slot["http_upload_slot"]["get"]["url"]
                headers = {one["name"]: one["value"] for one in slot["http_upload_slot"]["put"]["headers"]}
                async with self._http() as session, session.put(put, data=body, headers=headers) as answer:
                    if answer.status < 300:
                        break
            except Exception as error:  # whatever it was, a person would try once more
                logging.warning("file not sent: %r", error)
            await asyncio.sleep(_FILE_WAIT_S)
        self.say(to, get)

    async def _fetch(self, url: str) -> None:
        while True:
            try:
                async with self._http() as session, session.get(url) as answer:
                    body = await answer.read()
                    if answer.status == 200:
                        break
            except Exception as error:
                logging.warning("file not fetched: %r", error)
            await asyncio.sleep(_FILE_WAIT_S)
        name = Path(urllib.parse.urlsplit(url).path).name
        kept = Path(f"{self.boundjid.user}-{name}")
        kept.write_bytes(body)
        tell(file=name, path=str(kept.resolve()))

    def _http(self) -> aiohttp.ClientSession:
        """To where the stream goes, too, by the name of the component."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_PATIENCE_S, sock_read=60.0)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=_Through(*self._where)), timeout=timeout
        )


class _Through(AbstractResolver):
    """All names are where the stream goes: through a tunnel's entrance, or to the server, which has one port for both."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().getaddrinfo(
            self._host, self._port, family=socket.AF_INET, type=socket.SOCK_STREAM
        )
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=self._port, family=family, proto=0, flags=0
            )
            for *_, address in found
        ]

    async def close(self) -> None: ...


def tell(**what: object) -> None:
    print(json.dumps({**what, "at": time.monotonic()}), flush=True)


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    jid, password, host, port = sys.argv[1:]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    client = Client(jid, password, host, int(port))
    sending: set[asyncio.Task[None]] = set()

    def hear(line: str) -> None:
        asked = json.loads(line)
        if "say" in asked:
            client.say(asked["to"], asked["say"])
        else:
            sending.add(loop.create_task(client.send_file(asked["to"], asked["file"])))

    def listen() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(hear, line)

    threading.Thread(target=listen, daemon=True).start()
    client.go()
    loop.run_forever()


if __name__ == "__main__":
    main()
