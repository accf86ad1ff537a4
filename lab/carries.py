"""What the border carries on this machine: `python -m lab.carries`. Figures for docs/howto/lab.md; nothing depends on them.

A stream from the foreign site to a person by TCP (Mbit/s, with the line as it is and with one that is no limit), and small datagrams as
many as go (packets a second; those that are lost are lost at full queues)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

from lab import world
from lab.border import RATE
from lab.city import City
from lab.namespaces import inside

_SECONDS = 6.0
_PORT = 5001
_SMALL = 200


def stream(city: City) -> tuple[float, float]:
    """Mbit/s of one TCP connection to ada after its first two seconds, and packets a second beside it."""
    serving = inside(city.ground.name("site"), lambda: socket.create_server((world.SITE.addresses[0], _PORT)))

    def serve() -> None:
        connection, _ = serving.accept()
        block = b"\0" * 65536
        try:
            while True:
                connection.sendall(block)
        except OSError:
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    taking = inside(
        city.ground.name("ada"), lambda: socket.create_connection((world.SITE.addresses[0], _PORT))
    )
    _for(2.0, lambda: len(taking.recv(1 << 20)))
    before = city.border.ask("counters")["packets"]
    begun = time.monotonic()
    got = _for(_SECONDS, lambda: len(taking.recv(1 << 20)))
    took = time.monotonic() - begun
    packets = city.border.ask("counters")["packets"] - before
    taking.close()
    serving.close()
    return got * 8 / took / 1e6, packets / took


def datagrams(city: City) -> float:
    """Small datagrams a second that arrived at the foreign site from ada."""
    taking = inside(city.ground.name("site"), lambda: _bound(world.SITE.addresses[0]))
    sending = inside(city.ground.name("ada"), lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    over = threading.Event()

    def send() -> None:
        while not over.is_set():
            try:
                sending.sendto(b"\0" * _SMALL, (world.SITE.addresses[0], _PORT))
            except OSError:
                time.sleep(0.001)

    threading.Thread(target=send, daemon=True).start()
    _for(1.0, lambda: len(taking.recv(2048)))
    begun = time.monotonic()
    got = _for(_SECONDS, lambda: len(taking.recv(2048))) / _SMALL
    took = time.monotonic() - begun
    over.set()
    return got / took


def _bound(address: str) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((address, _PORT))
    one.settimeout(5.0)
    return one


def _for(seconds: float, take: Callable[[], int]) -> int:
    end, got = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        got += take()
    return got


def main() -> None:
    for rate, label in ((RATE, "50 Mbit/s"), (10e9, "no limit")):
        with City(bridges=False, rate=rate) as city:
            speed, packets = stream(city)
            print(f"line {label}: {speed:.0f} Mbit/s of TCP at 60 ms, {packets:,.0f} packets/s")
            if rate != RATE:
                print(f"datagrams of {_SMALL} bytes: {datagrams(city):,.0f} packets/s")


if __name__ == "__main__":
    main()
