"""Letters by HTTP/2: the suite against a server of the `h2` package inside TLS, which the hello of a browser leads to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from transport_peers import listening, make_certificate

from support.check_transport import ExchangePair, ExchangeSuite
from whimbrel.transports import browser, tcp
from whimbrel.transports.browser import BrowserPost
from whimbrel.transports.http import Connection, HttpExchange, letters_to
from whimbrel.wire.letters import LETTER_MAX

NAME = "relay.example"

pytestmark = pytest.mark.skipif(not browser.available(), reason="no curl_cffi for this platform")


class Server:
    """Answers letters, as it is told to."""

    def __init__(self) -> None:
        self.connections = 0
        self.held, self.release = asyncio.Event(), asyncio.Event()
        self.status = 200
        self.in_parts = False
        self.cut_after: int | None = None
        self.answer_size: int | None = None
        self.settings: dict[int, int] = {}
        self.window = 0
        self.headers: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        http = h2.connection.H2Connection(h2.config.H2Configuration(False, header_encoding="utf-8"))
        http.initiate_connection()
        letters: dict[int, bytearray] = {}
        try:
            writer.write(http.data_to_send())
            while data := await reader.read(65536):
                for event in http.receive_data(data):
                    match event:
                        case h2.events.RemoteSettingsChanged():
                            self.settings = {int(k): c.new_value for k, c in event.changed_settings.items()}
                        case h2.events.WindowUpdated(stream_id=0):
                            self.window = event.delta or 0
                        case h2.events.RequestReceived():
                            found = dict(event.headers or ())
                            self.headers = list(found)
                            assert (found[":method"], found[":path"]) == ("POST", "/secret")
                            assert found[":authority"].startswith(NAME)
                            letters[event.stream_id or 0] = bytearray()
                        case h2.events.DataReceived():
                            letters[event.stream_id or 0] += event.data or b""
                            http.acknowledge_received_data(
                                event.flow_controlled_length or 0, event.stream_id or 0
                            )
                        case h2.events.StreamEnded():
                            number = event.stream_id or 0
                            await self.answer(http, reader, writer, number, bytes(letters.pop(number)))
                writer.write(http.data_to_send())
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def answer(
        self,
        http: h2.connection.H2Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
        letter: bytes,
    ) -> None:
        if letter.startswith(b"held"):
            self.held.set()
            await self.release.wait()
        body = b"echo:" + letter if self.answer_size is None else bytes(self.answer_size)
        if self.status != 200:
            http.send_headers(number, [(":status", str(self.status))], end_stream=True)
            return
        http.send_headers(number, [(":status", "200")])
        at, step = 0, 3000 if self.in_parts else 16_384
        while at < len(body):
            size = min(step, http.local_flow_control_window(number), len(body) - at)
            if not size:
                writer.write(http.data_to_send())
                http.receive_data(await reader.read(65536))
                continue
            if self.cut_after is not None:
                http.send_data(number, body[: self.cut_after])
                writer.write(http.data_to_send())
                await writer.drain()
                writer.transport.abort()
                raise ConnectionError
            http.send_data(number, body[at : at + size])
            at += size
        http.end_stream(number)


class TestHttp2(ExchangeSuite):
    letter_max = LETTER_MAX

    @pytest.fixture(autouse=True)
    def certificate(self, tmp_path: Path) -> None:
        self.authority, self.context = make_certificate(tmp_path, NAME)
        self.context.set_alpn_protocols(["h2", "http/1.1"])

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[ExchangePair]:
        peer = Server()
        async with listening(peer.serve, self.context) as port:

            async def connect() -> Connection:
                stream = await tcp.connect("127.0.0.1", port)
                return BrowserPost(stream, NAME, letters_to(f"{NAME}:{port}", "/secret"), self.authority)

            yield ExchangePair(HttpExchange(connect), peer)
            peer.release.set()

    async def test_the_first_frames_are_those_of_a_browser(self) -> None:
        """SETTINGS and WINDOW_UPDATE as Chromium sends them; what is left out keeps its default."""
        async with self.opened() as pair:
            await pair.ours.exchange(b"x")
            assert isinstance(pair.theirs, Server)
            code = h2.settings.SettingCodes
            assert pair.theirs.settings[code.HEADER_TABLE_SIZE] == 65_536
            assert pair.theirs.settings[code.INITIAL_WINDOW_SIZE] == 6_291_456
            assert pair.theirs.window == 15_663_105
            assert pair.theirs.headers[:4] == [":method", ":authority", ":scheme", ":path"]
