"""WireGuard by wireguard-go: all of a person's traffic, and their questions for names, go through it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab import world
from lab.city import City, Running
from lab.peers import config
from lab.peers.programs import Programs, lacking
from lab.peers.tunnels.tunnel import (
    ADDRESS,
    FAR,
    FAR_PORT,
    HOST,
    Entrance,
    Tunnel,
    forward_for,
    resolving_at,
)

_INNER = {"ada": "10.9.0.11", "bo": "10.9.0.12"}


class WireGuard(Tunnel):
    name = "wireguard"
    title = "WireGuard"
    about = "wireguard-go on both sides, UDP port 51820. It keeps its ports for as long as it runs, so a flow that is dropped for ever ends it."
    by_hand = "take the tunnel down and up again; where its server is blocked, get the address and the key of another one, and enter them on both devices"
    files = ("wireguard-server.conf", "wireguard-client.conf", "wireguard-up.sh")

    def missing(self) -> str | None:
        return lacking("wireguard-go", "wg", "unshare")

    def serve(self, city: City, programs: Programs) -> None:
        self._keys = {who: _key_pair() for who in ("server", *_INNER)}
        folder = programs.folder("wireguard-server")
        keys = {who: self._keys[who][1] for who in _INNER}
        path = config.write(folder, "wireguard-server.conf", private=self._keys["server"][0], **keys)
        forward_for(city, programs, "10.9.0.0/24")
        self._up(programs, HOST.name, folder, path, "10.9.0.1/24", "")

    def enter(self, city: City, programs: Programs, place: str) -> Entrance:
        folder = programs.folder(f"wireguard-{place}")
        path = config.write(
            folder,
            "wireguard-client.conf",
            private=self._keys[place][0],
            server=self._keys["server"][1],
            address=ADDRESS,
        )
        gateway = world.gateway_address(world.PEOPLE[place][0])
        routes = f"ip route replace {ADDRESS}/32 via {gateway} dev eth0 onlink\n"
        routes += "ip route add 0.0.0.0/1 dev wg0\nip route add 128.0.0.0/1 dev wg0"
        self._up(programs, place, folder, path, f"{_INNER[place]}/24", routes)
        programs.until_the_end.callback(
            programs.run, place, ["ip", "route", "del", f"{ADDRESS}/32", "dev", "eth0"]
        )
        resolving_at(city, programs, place)
        return Entrance(FAR, FAR_PORT)

    def _up(
        self, programs: Programs, place: str, folder: Path, path: Path, inner: str, routes: str
    ) -> Running:
        script = config.write(folder, "wireguard-up.sh", config=path, inner=inner, routes=routes)
        running = programs.start(f"wireguard-{place}", place, ["unshare", "--mount", "sh", str(script)])
        programs.until_said(running, "the tunnel is up")
        return running


def _key_pair() -> tuple[str, str]:
    private = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout
    public = subprocess.run(
        ["wg", "pubkey"], input=private, capture_output=True, text=True, check=True
    ).stdout
    return private.strip(), public.strip()
