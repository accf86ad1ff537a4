"""The plain peer: a messenger as it is usually written. The system's resolver, Python's own TLS, one WebSocket to the relay's name, and
again after a second when it is gone. It knows nothing of blocked networks, which is what it is there for: to compare with.

Its messages are pings that the relay answers, so `delivered` is the way there and back to the server, half of what people have. A
message that was not answered goes again on the next connection.

    python -m lab.plain_peer talk.example /path     lines on stdin are said; prints a line of JSON for each that was answered
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import threading
import time

import websockets

from lab.city import ROOT, City
from lab.talk import Arrived, Sent

_AGAIN_S = 1.0


class PlainPerson:
    """As far as a run needs it, what `lab.people.Person` is."""

    def __init__(self, city: City, place: str, name: str) -> None:
        self.place, self.name = place, name
        self.arrived: list[Arrived] = []
        """What the other one's relay answered: delivered to nobody but the server."""
        self.other: PlainPerson | None = None
        self.said = 0
        self.answered = 0
        path = (city.folder / "relay" / "path").read_text().strip()
        words = [sys.executable, "-m", "lab.plain_peer", city.world.relay_name, "/" + path.lstrip("/")]
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", city.ground.name(place), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=city.environment(),
            cwd=ROOT,
            text=True,
            bufsize=1,
        )
        self._ready = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            self._ready.set()
            if "answered" in told and self.other is not None:
                self.answered += 1
                self.other.arrived.append(Arrived(told["answered"], told["at"]))

    def wait_until_up(self, patience: float) -> bool:
        return self._ready.wait(patience)

    def say(self, _chat: str, text: str) -> Sent:
        assert self._process.stdin is not None
        sent = Sent(text, time.monotonic())
        self.said += 1
        self._process.stdin.write(text + "\n")
        return sent

    def waiting(self) -> int:
        return self.said - self.answered

    def way(self) -> str:
        return "wss"

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


class _Peer:
    """One connection at a time, and what was not answered yet."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._unanswered: dict[str, None] = {}
        self._new = asyncio.Event()

    def hear(self, text: str) -> None:
        self._unanswered[text] = None
        self._new.set()

    async def live(self) -> None:
        while True:
            try:
                async with websockets.connect(
                    self._url, ssl=ssl.create_default_context(), proxy=None
                ) as connection:
                    print(json.dumps({"up": True, "at": time.monotonic()}), flush=True)
                    await self._talk(connection)
            except (OSError, websockets.WebSocketException, TimeoutError, EOFError):
                await asyncio.sleep(_AGAIN_S)

    async def _talk(self, connection: websockets.ClientConnection) -> None:
        sent: set[str] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._new.clear()
                for text in [text for text in self._unanswered if text not in sent]:
                    sent.add(text)
                    tasks.create_task(self._say(connection, text))
                await self._new.wait()

    async def _say(self, connection: websockets.ClientConnection, text: str) -> None:
        await (await connection.ping(text.encode()))
        self._unanswered.pop(text, None)
        print(json.dumps({"answered": text, "at": time.monotonic()}), flush=True)


async def _main(name: str, path: str) -> None:
    peer = _Peer(f"wss://{name}{path}")
    loop = asyncio.get_running_loop()

    def listen() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(peer.hear, line.rstrip("\n"))

    threading.Thread(target=listen, daemon=True).start()
    while True:
        try:
            await peer.live()
        except* (OSError, websockets.WebSocketException, TimeoutError, EOFError):
            await asyncio.sleep(_AGAIN_S)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
