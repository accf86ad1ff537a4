"""The peers: other messengers, and other ways to carry one, each by its own programs. One small file each; `load` takes a name."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from lab.peers.peer import Peer

_HERE = Path(__file__).parent


class UnknownPeer(Exception):
    """There is no such peer."""


@cache
def all_peers() -> dict[str, Peer]:
    """By name, in the order in which they are told of: `PEERS` of the files of this folder."""
    found: list[Peer] = []
    for file in sorted(_HERE.glob("[a-z]*.py")):
        module = importlib.import_module(f"lab.peers.{file.stem}")
        found += getattr(module, "PEERS", ())
    return {peer.name: peer for peer in sorted(found, key=lambda peer: (peer.place, peer.name))}


def names() -> tuple[str, ...]:
    return tuple(all_peers())


def load(name: str) -> Peer:
    found = all_peers().get(name)
    if found is None:
        raise UnknownPeer(f"there is no peer {name}; there are {', '.join(names())}")
    return found
