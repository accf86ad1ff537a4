"""Packets in a file that Wireshark and tcpdump read (the classic pcap format, microseconds), and out of it again."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

ETHERNET, RAW = 1, 101
_HEAD = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_MAGIC = 0xA1B2C3D4


class Writer:
    """Packets of one kind of link, as they come."""

    def __init__(self, path: Path, link: int) -> None:
        self._file: BinaryIO = path.open("wb")
        self._file.write(_HEAD.pack(_MAGIC, 2, 4, 0, 0, 65535, link))

    def write(self, at: float, data: bytes) -> None:
        """`at`: seconds since 1970."""
        second = int(at)
        self._file.write(_RECORD.pack(second, int((at - second) * 1e6), len(data), len(data)) + data)

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> Iterator[tuple[float, bytes]]:
    """Time and IP packet of each record; of Ethernet frames those with anything but IPv4 come with their head, as they are."""
    data = path.read_bytes()
    link = _HEAD.unpack_from(data)[6]
    at = _HEAD.size
    while at + _RECORD.size <= len(data):
        second, micro, size, _ = _RECORD.unpack_from(data, at)
        packet = data[at + _RECORD.size : at + _RECORD.size + size]
        if link == ETHERNET and packet[12:14] == b"\x08\x00":
            packet = packet[14:]
        yield second + micro / 1e6, packet
        at += _RECORD.size + size
