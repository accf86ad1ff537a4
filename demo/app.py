"""The ordinary app, started in the network of the demo: `python -m demo.app`, with what it is told as one line of JSON on stdin.

It is what `whimbrel app` is, with two arguments that no command has: what opens its ways leads through the censor, and the demo's own
page may show its page in a frame. It ends by SIGTERM, and when whoever started it is gone.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from demo.place import RESOLVERS
from demo.wire import ThroughCensor
from whimbrel.app.logs import keep_off_the_terminal
from whimbrel.app.main import Ready, stay_up
from whimbrel.client.service import Service
from whimbrel.transports.registry import Opener
from whimbrel.transports.resolving import Server


async def run(told: dict[str, Any]) -> None:
    home = Path(told["home"])
    opener = Opener(
        Path(told["authority"]),
        servers=tuple(Server(address) for _, address in RESOLVERS),
        net=ThroughCensor(told["censor"], told["secret"]),
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)  # nothing more is said: it can only be the end

    def ready(page: Ready) -> None:
        sys.stdout.write(json.dumps({"event": "ready", "url": page.url}) + "\n")
        sys.stdout.flush()

    async with Service.open(home, embedded=False, wait=0, opener=opener) as service:
        await stay_up(service, home, 0, ready, stop, framed_by=told["framed_by"])


def main() -> None:
    told = json.loads(sys.stdin.readline())
    keep_off_the_terminal(Path(told["home"]))
    asyncio.run(run(told))


if __name__ == "__main__":
    main()
