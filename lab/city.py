"""A city, built and cleared away: namespaces and wires as `world` has them, the border, the services, relay and bridges.

    with City() as city:
        city.strike("S4", cut=True)
        …
        city.lift()

People who talk in it are in `people`. What fails while a city is built is a `LabError`, and leaves nothing behind.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from lab import measures, services, world
from lab.border import RATE, TUN
from lab.ca import Authority
from lab.namespaces import ETC, Ground, LabError, batch, inside, search_path, set_sysctl
from lab.policy import Measure
from lab.wires import stop_offloads

PATIENCE_S = 60.0
"""For a program to say that it is ready: a shared machine has slow moments."""
WHIMBREL = Path(sys.executable).parent / "whimbrel"
ROOT = Path(__file__).parent.parent
_WIRE_GATEWAY = "169.254.1.1"
"""What every machine sends to that knows nothing nearer; the gateway has it on each wire (as some clouds do it)."""
_WIRE_PROVIDER = "169.254.1.2"
"""A provider's end of its wire to the domestic exchange."""


@cache
def missing() -> str | None:
    """What this machine lacks for a lab, in a word for people; None where nothing is missing."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces, for which one has to be root on Linux"
    for program in ("ip", "nft", "iptables", "nginx"):
        if shutil.which(program, path=search_path()) is None:
            return f"the program {program} (`.ci/tools lab` installs it)"
    if not Path("/dev/net/tun").exists():
        return "the device /dev/net/tun"
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode != 0:
        return (
            "network namespaces: the system does not let root make them (a container without the right to?)"
        )
    return None


@dataclass(slots=True)
class Running:
    """A program of the city."""

    process: subprocess.Popen[bytes]
    log: Path
    ready: dict[str, Any]


class Commands:
    """The asking end of a socket that answers each line of JSON by one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.settimeout(PATIENCE_S)
        self._connection.connect(str(path))
        self._lines = self._connection.makefile("rb")
        self._one_at_a_time = threading.Lock()

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        with self._one_at_a_time:
            self._connection.sendall(json.dumps({"do": do, **more}).encode() + b"\n")
            line = self._lines.readline()
        if not line:
            raise LabError(f"{self._path.name} has ended; its log says why")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LabError(f"{self._path.name}, asked to {do}: {answer['error']}")
        return answer

    def close(self) -> None:
        self._lines.close()
        self._connection.close()


class City:
    """Built by entering it. `published`: the ways that the relay's address names; else the relay's name with both addresses.
    `rate`: of the lines through the border, in bits a second."""

    def __init__(self, *, published: Sequence[str] = (), bridges: bool = True, rate: float = RATE) -> None:
        self._rate = rate
        self._published = tuple(published)
        self._with_bridges = bridges
        self._running: dict[str, Running] = {}
        self._one_comes_at_a_time = threading.Lock()
        self._measure: Measure | None = None
        self.until_the_end = ExitStack()
        """What is closed before the city is cleared away."""
        self.bridge_addresses: tuple[str, ...] = ()
        """The texts to paste of the bridges that run."""

    # -- building --------------------------------------------------------------------------------------------------

    def __enter__(self) -> City:
        lacking = missing()
        if lacking is not None:
            raise LabError(f"this machine has not {lacking}")
        self.ground = Ground()
        try:
            self._build()
        except BaseException:
            self.ground.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.until_the_end.close()
        for commands in (getattr(self, "border", None), getattr(self, "resolvers", None)):
            if commands is not None:
                commands.close()
        self.ground.close()
        for running in self._running.values():
            running.process.wait()
            if running.process.stdout is not None:
                running.process.stdout.close()

    def _build(self) -> None:
        self.folder = self.ground.folder
        (self.folder / "log").mkdir()
        self.authority = Authority(self.folder / "ca")
        self.world = world.the_world(str(self.authority.root))
        self._lay_wires()
        self._furnish()
        border = self._python(
            "border",
            world.WORLD_GATEWAY,
            "lab.border",
            "--prefix",
            self.ground.prefix,
            "--ca",
            self.world.ca,
            "--socket",
            str(self.folder / "border"),
            "--rate",
            str(self._rate),
        )
        dns = self.authority.issue("dns", [*world.RESOLVERS.names], world.RESOLVERS.addresses)
        resolving = self._python(
            "resolvers",
            world.RESOLVERS.name,
            "lab.services",
            "--prefix",
            self.ground.prefix,
            "--folder",
            str(self.folder),
            "--socket",
            str(self.folder / "resolvers"),
            "--cert",
            str(dns.chain),
            "--key",
            str(dns.key),
        )
        relay = self._start_relay()
        for host in (world.SITE, world.DOMESTIC_SITE):
            self._start_site(host)
        self._start_cdn()
        for running in (border, resolving, relay):
            self.until_ready(running)
        if self._with_bridges:
            relay = self._start_bridges(relay)
        self.relay_address: str = relay.ready["address"]
        self.border = Commands(self.folder / "border")
        self.resolvers = Commands(self.folder / "resolvers")

    def _lay_wires(self) -> None:
        """Namespaces, veth pairs, addresses, routes; the TUNs for the border; the chains and tables for measures."""
        gateways = [world.provider_name(number) for number in range(world.PROVIDERS)]
        places = [*gateways, world.WORLD_GATEWAY, world.DOMESTIC, *world.PEOPLE]
        places += [host.name for host in world.HOSTS]
        self.ground.add(places)
        lines: dict[str, list[str]] = {place: [] for place in places}
        ends: list[tuple[str, str]] = []
        wires: list[str] = []

        def wire(one: str, device: str, other: str, far_device: str) -> None:
            wires.append(
                f"link add {device} netns {self.ground.name(one)} mtu {world.MTU} type veth"
                f" peer name {far_device} netns {self.ground.name(other)} mtu {world.MTU}"
            )
            ends.extend(((one, device), (other, far_device)))

        def connect(place: str, addresses: Sequence[str], gateway: str, near: str) -> None:
            """A machine with its addresses behind a gateway that it knows as `near`."""
            wire(gateway, place, place, "eth0")
            lines[place] += [f"addr add {address}/32 dev eth0" for address in addresses]
            lines[place] += ["link set eth0 up", f"route add default via {near} dev eth0 onlink"]
            lines[gateway] += [f"addr add {near}/32 dev {place}", f"link set {place} up"]
            lines[gateway] += [f"route add {address}/32 dev {place}" for address in addresses]

        for name, (number, address) in world.PEOPLE.items():
            connect(name, [address], gateways[number], world.gateway_address(number))
        for host in world.HOSTS:
            connect(host.name, host.addresses, host.behind, _WIRE_GATEWAY)
        for number, gateway in enumerate(gateways):
            lines[gateway] += [
                f"addr add {world.resolver_address(number)}/32 dev lo",
                f"tuntap add mode tun name {TUN}",
                f"link set {TUN} mtu {world.MTU} txqueuelen 1000 up",
                f"route add default dev {TUN}",
            ]
            # The rest of what is inside the country, by way of the domestic exchange.
            wire(gateway, "domestic", world.DOMESTIC, gateway)
            lines[gateway] += [
                f"addr add {_WIRE_PROVIDER}/32 dev domestic",
                "link set domestic up",
                "route add unreachable 198.18.0.0/16",
            ]
            nets = [world.provider_net(other) for other in range(world.PROVIDERS) if other != number]
            for net in (world.DOMESTIC_NET, *nets):
                lines[gateway].append(f"route add {net} via {_WIRE_GATEWAY} dev domestic onlink")
            lines[world.DOMESTIC] += [
                f"addr add {_WIRE_GATEWAY}/32 dev {gateway}",
                f"link set {gateway} up",
                f"route add {world.provider_net(number)} via {_WIRE_PROVIDER} dev {gateway} onlink",
            ]
        lines[world.WORLD_GATEWAY] += [
            f"tuntap add mode tun name {TUN}",
            f"link set {TUN} mtu {world.MTU} txqueuelen 1000 up",
            f"route add 198.18.0.0/16 dev {TUN}",
        ]
        batch(wires)
        for place, device in ends:
            inside(self.ground.name(place), partial(stop_offloads, device))
        for place, batched in lines.items():
            batch(batched, self.ground.name(place))
        for place in (*gateways, world.WORLD_GATEWAY, world.DOMESTIC):
            inside(self.ground.name(place), _forward)
        for gateway in gateways:
            inside(self.ground.name(gateway), _make_room_for_rules)

    def _furnish(self) -> None:
        """What people's systems have of their own in /etc: the provider's resolver, the roots that they trust."""
        trusted = self.authority.root.read_bytes()
        for name, (number, _) in world.PEOPLE.items():
            etc = ETC / self.ground.name(name)
            (etc / "ssl" / "certs").mkdir(parents=True)
            (etc / "ssl" / "certs" / "ca-certificates.crt").write_bytes(trusted)
            (etc / "ssl" / "openssl.cnf").touch()
            (etc / "resolv.conf").write_text(f"nameserver {world.resolver_address(number)}\n")
            (etc / "hosts").write_text("127.0.0.1 localhost\n")
            (etc / "nsswitch.conf").write_text("hosts: files dns\n")

    # -- programs --------------------------------------------------------------------------------------------------

    def start(
        self, label: str, place: str, words: Sequence[str], extra: Mapping[str, str] | None = None
    ) -> Running:
        """Start a program in a namespace, with that namespace's own files in /etc. It ends with the city at the latest."""
        log = self.folder / "log" / label
        with log.open("ab") as errors:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.ground.name(place), *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self.environment(extra),
                cwd=ROOT,
            )
        running = self._running[label] = Running(process, log, {})
        return running

    def end(self, running: Running) -> None:
        """Kill a program of the city."""
        running.process.kill()
        running.process.wait()
        if running.process.stdout is not None:
            running.process.stdout.close()

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Nothing of the person who runs the lab: no home, no proxy, no keyring, no certificates of theirs."""
        kept = {name: os.environ[name] for name in ("PYTHONPATH", "LANG") if name in os.environ}
        return {
            **kept,
            "PATH": search_path(),
            "HOME": str(self.folder),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "TZ": "UTC",
            "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
            **(extra or {}),
        }

    def _python(self, label: str, place: str, module: str, *words: str) -> Running:
        return self.start(label, place, [sys.executable, "-m", module, *words])

    def until_ready(self, running: Running) -> None:
        """Wait for the line that it prints when it is ready."""
        running.ready = next_line(running.process.stdout, PATIENCE_S, running.log)

    def _start_relay(self, bridges: Sequence[str] = ()) -> Running:
        """`bridges`: texts of those that lead to it, which it hands on to its people."""
        host = world.RELAY
        data = self.folder / "relay"
        if not data.exists():
            self.authority.issue("relay", [*host.names], host.addresses)
            self.pages("relay")
        issued = self.authority.issued("relay")
        published = self._published or (_way(self.world.relay_name, host.addresses),)
        words = [str(WHIMBREL), "relay", "--data", str(data), "--listen", "0.0.0.0:443"]
        words += ["--cert", str(issued.chain), "--key", str(issued.key), "--site", str(data / "www")]
        for way in published:
            words += ["--public", way]
        for text in bridges:
            words += ["--way", text]
        return self.start("relay", host.name, words)

    def stop_relay(self) -> None:
        """As a power cut ends it; the machine is still there, and so are the bridges. It does not come back."""
        self.end(self._running["relay"])

    def _start_bridges(self, relay: Running) -> Running:
        """Bridges to the relay, which then starts anew and hands on their ways."""
        bridges = []
        for host in world.BRIDGES:
            issued = self.authority.issue(host.name, [*host.names], host.addresses)
            words = [str(WHIMBREL), "bridge", "--to", relay.ready["address"], "--listen", "0.0.0.0:443"]
            words += ["--cert", str(issued.chain), "--key", str(issued.key)]
            words += ["--site", str(self.pages(host.name)), "--data", str(self.folder / host.name / "data")]
            words += [
                "--authority",
                str(self.authority.root),
                "--public",
                _way(next(iter(host.names)), host.addresses),
            ]
            bridges.append(self.start(host.name, host.name, words))
        for bridge in bridges:
            self.until_ready(bridge)
        self.bridge_addresses = tuple(bridge.ready["address"] for bridge in bridges)
        self.end(relay)
        again = self._start_relay(self.bridge_addresses)
        self.until_ready(again)
        return again

    def _start_site(self, host: world.Host) -> None:
        issued = self.authority.issue(host.name, [*host.names], host.addresses)
        self.pages(host.name)
        folder = self.folder / host.name
        config = services.site_config(folder, [*host.names], issued.chain, issued.key)
        self._start_nginx(host, config)

    def _start_cdn(self) -> None:
        host = world.CDN
        issued = self.authority.issue(host.name, [*host.names], host.addresses)
        self.pages(host.name)
        *fronting, shop = host.names
        config = services.cdn_config(
            self.folder / host.name,
            fronting,
            [shop],
            issued.chain,
            issued.key,
            (self.world.relay_name, self.world.relay_addresses[0]),
            self.authority.root,
        )
        self._start_nginx(host, config)

    def _start_nginx(self, host: world.Host, config: str) -> None:
        path = self.folder / host.name / "nginx.conf"
        path.write_text(config)
        self.start(host.name, host.name, ["nginx", "-c", str(path), "-e", str(path.parent / "error.log")])

    def pages(self, place: str) -> Path:
        """An ordinary small site: a page, and a picture of 100 KB."""
        pages = self.folder / place / "www"
        pages.mkdir(parents=True, exist_ok=True)
        (pages / "index.html").write_text(
            f"<!doctype html><title>{place}</title><h1>Welcome</h1><p>Opening hours: 9 to 17.</p>\n"
        )
        (pages / "picture.bin").write_bytes(os.urandom(100_000))
        return pages

    # -- controls --------------------------------------------------------------------------------------------------

    def plain(self, place: str, name: str | None = None, *, patience: float = 8.0) -> dict[str, Any]:
        """What becomes of a plain client in a person's namespace that goes to the relay by its name (or another one that leads there):
        `ok`, else `stage` and `why`."""
        path = (self.folder / "relay" / "path").read_text().strip()
        return self.ask_bystander(
            place,
            "chat",
            name=name or self.world.relay_name,
            path="/" + path.lstrip("/"),
            patience=patience,
        )

    def get(self, place: str, url: str, *, patience: float = 8.0) -> dict[str, Any]:
        """What becomes of an ordinary HTTPS request from a person's namespace: `ok`, `status`, `bytes`, `seconds`, else `why`."""
        return self.ask_bystander(place, "get", url=url, patience=patience)

    def browse(self, place: str, *urls: str) -> dict[str, Any]:
        """What becomes of pages that somebody opens there, by URL; as `get`."""
        return self.ask_bystander(place, "browse", urls=urls)

    def ask_bystander(self, place: str, do: str, **more: Any) -> dict[str, Any]:
        """A question to `bystander`, who comes to the place at the first one and stays."""
        path = self.folder / f"bystander-{place}"
        with self._one_comes_at_a_time:
            label = path.name
            if label not in self._running:
                self.until_ready(self._python(label, place, "lab.bystander", str(path)))
        commands = Commands(path)
        try:
            return commands.ask(do, **more)
        finally:
            commands.close()

    # -- measures --------------------------------------------------------------------------------------------------

    def prepare(self, measure: str, *, scale: float = 1.0, seed: int = 0) -> Measure:
        """Load a measure and have the border make its policies, so that the strike itself is short."""
        loaded = measures.load(measure)
        self.border.ask("prepare", measure=measure, scale=scale, seed=seed)
        return loaded

    def strike(self, measure: str, *, cut: bool = False, scale: float = 1.0, seed: int = 0) -> float:
        """Put a measure in force in place of the one before; when it was (monotonic). Kernel and resolvers come first, so that nothing
        that is cut finds the old network once more."""
        loaded = self.prepare(measure, scale=scale, seed=seed)
        self._clear_rules()
        for number in range(world.PROVIDERS):
            inside(
                self.ground.name(world.provider_name(number)),
                partial(_apply, loaded.rules(self.world, number)),
            )
            told = loaded.resolver(self.world, number)
            self.resolvers.ask("national", provider=number, removed=told.removed, forged=told.forged)
        self._measure = loaded
        at: float = self.border.ask("strike", measure=measure, scale=scale, seed=seed, cut=cut)["at"]
        return at

    def lift(self) -> float:
        """The open network again; when it was (monotonic). What was cut stays cut."""
        self._clear_rules()
        for number in range(world.PROVIDERS):
            self.resolvers.ask("national", provider=number)
        self._measure = None
        at: float = self.border.ask("lift")["at"]
        return at

    def _clear_rules(self) -> None:
        if self._measure is None:
            return
        for number in range(world.PROVIDERS):
            inside(self.ground.name(world.provider_name(number)), _clear_rules)


def _way(name: str, addresses: Sequence[str]) -> str:
    """A way by name that names its addresses, too."""
    return f"wss://{name}?{'&'.join(f'ip={address}' for address in addresses)}"


def next_line(stream: IO[bytes] | None, patience: float, log: Path) -> dict[str, Any]:
    """The next line of JSON that a program prints. Raises LabError when there is none in time."""
    assert stream is not None
    readable, _, _ = select.select([stream], [], [], patience)
    line = stream.readline() if readable else b""
    if not line:
        raise LabError(f"{log.name} said nothing: {log.read_text()[-2000:]}")
    answer: dict[str, Any] = json.loads(line)
    return answer


# -- inside a gateway ----------------------------------------------------------------------------------------------


def _forward() -> None:
    set_sysctl("ipv4/ip_forward", "1")
    set_sysctl("ipv4/conf/all/send_redirects", "0")


def _make_room_for_rules() -> None:
    """Empty chains and an empty table for measures; connections are counted from the start, as a filter box has it."""
    for table in ("filter", "mangle"):
        _run(f"iptables -w -t {table} -N LAB")
        _run(f"iptables -w -t {table} -A FORWARD -j LAB")
    _run(
        "iptables -w -t mangle -I FORWARD -m conntrack --ctstate NEW"
    )  # counts, and so has the kernel track connections
    _run("nft add table ip lab")
    set_sysctl("netfilter/nf_conntrack_acct", "1")
    set_sysctl("netfilter/nf_conntrack_tcp_be_liberal", "1")


def _clear_rules() -> None:
    for table in ("filter", "mangle"):
        _run(f"iptables -w -t {table} -F LAB")
    _run("nft delete table ip lab")
    _run("nft add table ip lab")


def _apply(rules: Sequence[str]) -> None:
    for rule in rules:
        _run(rule)


def _run(line: str) -> None:
    """A command line, without a shell: braces and semicolons are those of nft."""
    words = shlex.split(line)
    if words[:1] not in (["iptables"], ["nft"], ["tc"]):
        raise LabError(f"a rule begins with iptables, nft or tc: {line}")
    run = subprocess.run(
        words, capture_output=True, text=True, check=False, env={"PATH": search_path(), "LANG": "C"}
    )
    if run.returncode != 0:
        raise LabError(f"{line}: {run.stderr.strip()}")
