"""Wires between namespaces, and the two devices that only a program can ask for: a TUN, and one that computes its own sums.

A wire is a veth pair without any offload: with them one would see segments of 64 KB on the wire, and a censor that counts packets would
count something that no network has (LADDER, section 0, caveat d).
"""

from __future__ import annotations

import array
import fcntl
import os
import socket
import struct

_SIOCETHTOOL = 0x8946
# From linux/ethtool.h: the set commands for rx, tx and scatter-gather, tso, gso and gro.
_OFFLOADS = (0x00000015, 0x00000017, 0x00000019, 0x0000001F, 0x00000024, 0x0000002C)
_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000


def stop_offloads(device: str) -> None:
    """Have a device of this thread's namespace send packets as they would be on a wire."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for command in _OFFLOADS:
            value = array.array("B", struct.pack("II", command, 0))
            request = struct.pack("16sP", device.encode(), value.buffer_info()[0]).ljust(40, b"\0")
            fcntl.ioctl(asking, _SIOCETHTOOL, request)


def open_tun(device: str) -> int:
    """The program's end of a TUN of this thread's namespace: whole IP packets are read and written."""
    handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(
            handle,
            _TUNSETIFF,
            struct.pack("16sH", device.encode(), _IFF_TUN | _IFF_NO_PI).ljust(40, b"\0"),
        )
    except OSError:
        os.close(handle)
        raise
    return handle
