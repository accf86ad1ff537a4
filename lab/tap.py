"""Every packet that passes a device of a namespace, written to a file. Nothing is filtered: also what nobody should have sent is there."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from pathlib import Path

from lab.namespaces import inside
from lab.pcap import ETHERNET, Writer

_ALL = 0x0003
"""ETH_P_ALL: in both directions."""
_FRAME_MAX = 65536
_BUFFER = 16 * 1024 * 1024
# From linux/socket.h and linux/if_packet.h; Python has no names for them.
_SO_RCVBUFFORCE, _SOL_PACKET, _PACKET_STATISTICS = 33, 263, 6


class Tap:
    """From its making until `close`."""

    def __init__(self, namespace: str, device: str, path: Path) -> None:
        self.path = path
        self._writer = Writer(path, ETHERNET)
        self._socket = inside(namespace, lambda: _listening(device))
        self._over = False
        self._missed = 0
        self._thread = threading.Thread(target=self._read, name=f"tap {namespace}", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._over:
            with contextlib.suppress(TimeoutError):
                self._writer.write(time.time(), self._socket.recv(_FRAME_MAX))

    def close(self) -> int:
        """Write what is still there, and end; how many packets the system could not keep for us."""
        if self._over:
            return self._missed
        self._over = True
        self._thread.join()
        self._socket.settimeout(0.0)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._writer.write(time.time(), self._socket.recv(_FRAME_MAX))
        counted = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        self._socket.close()
        self._writer.close()
        self._missed = struct.unpack("II", counted)[1]
        return self._missed


def _listening(device: str) -> socket.socket:
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    tap.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    tap.bind((device, _ALL))
    tap.settimeout(0.1)
    return tap
