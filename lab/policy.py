"""What the border and a measure say to each other, and nothing else.

The border (`lab.border`) owns devices, sockets and the clock. A measure owns the decisions: it is asked about each packet and answers
with packets. So a censor is tested with made-up packets and made-up time, and a measure of somebody else is one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Side(Enum):
    """Where a packet goes, or came from."""

    HOME = "home"
    """Towards the people behind this provider."""
    WORLD = "world"
    """Towards the foreign servers."""

    @property
    def other(self) -> Side:
        return Side.WORLD if self is Side.HOME else Side.HOME


@dataclass(frozen=True, slots=True)
class Out:
    """A packet that leaves the border."""

    side: Side
    data: bytes
    """A whole IPv4 packet, its checksums right."""
    delay: float = 0.0
    """Seconds beyond the one-way delay that the border itself adds."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One look of the active prober at an address. `lab.prober` carries it out, from a foreign address."""

    address: str
    port: int
    after: float
    """Seconds to wait before."""
    send: bytes | None = None
    """What is written after connecting, as it is; None: a TLS handshake and then a plain GET inside."""
    name: str | None = None
    """The name in the TLS handshake; None: no name is sent."""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """How what stands at the address behaved."""

    connected: bool
    answer: bytes = b""
    """The first bytes that came back: as they are, or what was inside TLS."""
    tls: bool = False
    """A TLS handshake was completed."""
    end: str = "open"
    """'open' when the prober hung up by itself, 'closed' by FIN, 'reset' by RST."""
    seconds: float = 0.0
    """From the last byte that was sent until that end."""


class Policy:
    """What one access provider's filter does with packets. Pure: bytes and time come in, packets go out. This one passes everything."""

    def packet(self, now: float, came_from: Side, data: bytes) -> Sequence[Out]:
        """A packet reached the border. () drops it, (Out(came_from.other, data),) passes it; more may be added."""
        return (Out(came_from.other, data),)

    def timer(self, now: float) -> tuple[Sequence[Out], float | None]:
        """What is due by now (queued by throttling, injected later), and when to call again at the latest; None: no need.

        The border calls it after each batch of packets, too, so it has to be cheap."""
        return (), None

    def learnt(self) -> Sequence[str]:
        """The addresses that this censor has listed by itself so far, as `address:port`."""
        return ()

    def probes(self) -> Sequence[Probe]:
        """What the active prober shall look at. Each is handed out once; the border starts them and brings what was seen."""
        return ()

    def probed(self, now: float, probe: Probe, seen: Seen) -> None:
        """One of the probes came back."""

    def counts(self) -> dict[str, int]:
        """What this filter did since the strike, by a short word ('reset', 'dropped hello'), for the report."""
        return {}


@dataclass(frozen=True, slots=True)
class ResolverPolicy:
    """What a provider's national resolver answers in place of the truth. A suffix `a.example` means this name and all below it."""

    removed: tuple[str, ...] = ()
    """Suffixes that do not exist (NXDOMAIN)."""
    forged: tuple[tuple[str, str], ...] = ()
    """(suffix, IPv4 address): the address that is answered for any question about it."""


@dataclass(frozen=True, slots=True)
class World:
    """Names and addresses of everything in the city. IPv4 addresses as text; servers listen on 443 unless said otherwise."""

    relay_name: str
    relay_addresses: tuple[str, ...]
    """Two, in two different /24s; both are the relay under each of its names."""
    neutral_name: str
    """Another name of the same relay, which no measure knows."""
    bridge_names: tuple[str, ...]
    bridge_addresses: tuple[str, ...]
    """One for each name, each in a /24 of its own."""
    benign_name: str
    """A foreign web site that nobody has anything against."""
    benign_address: str
    national_resolvers: tuple[str, ...]
    """One for each provider, domestic; people's /etc/resolv.conf names it."""
    resolvers: tuple[tuple[str, str], ...]
    """(name, address) of the foreign public resolvers: plain DNS on 53 and DoH on 443."""
    person_addresses: tuple[tuple[str, ...], ...]
    """By provider."""
    cdn_names: tuple[str, ...] = ()
    cdn_address: str = ""
    """One foreign host that serves several names."""
    exempt_names: tuple[str, ...] = ()
    """Foreign names that a curtain lets through whatever they carry; no part of the messenger uses them."""
    foreign: tuple[str, ...] = ()
    """CIDRs of the foreign data centres: relay, bridges, CDN, resolvers, sites, the peers' servers."""
    domestic_names: tuple[str, ...] = ()
    domestic_addresses: tuple[str, ...] = ()
    """Web site, mail, storage: inside, never beyond the border."""
    ca: str = ""
    """Path of the PEM file of the city's own certificate authority."""
    peer_names: tuple[str, ...] = ()
    """Public names of the other messengers that are measured beside this one (`lab.peers`)."""
    peer_addresses: tuple[str, ...] = ()
    """Of their servers, by those names."""
    tunnel_addresses: tuple[str, ...] = ()
    """Of the server through which people reach them whose tunnel goes there. It goes from hand to hand, as bridges do."""

    @property
    def service_names(self) -> tuple[str, ...]:
        """The names by which the messengers' servers are publicly known, and so can be on a list: the relay's, and those of the peers.
        Bridges and tunnels go from hand to hand; a censor has to find those by itself."""
        return (self.relay_name, *self.peer_names)

    @property
    def public_addresses(self) -> tuple[str, ...]:
        """What those names resolve to."""
        return (*self.relay_addresses, *self.peer_addresses)

    @property
    def service_addresses(self) -> tuple[str, ...]:
        """Addresses of all servers of the messengers, of bridges and tunnels: what a `cut` strike cuts."""
        return (*self.public_addresses, *self.bridge_addresses, *self.tunnel_addresses)


class Measure:
    """What a state does to its network: kernel rules, resolvers, and a stateful filter at the border. This one does nothing.

    A measure file defines `MEASURE`, an instance. It is loaded again in the border's process by its name or file, so it must not depend
    on anything but its arguments."""

    name: str = "S0"
    about: str = "The open network."
    """In plain words, one or two sentences."""
    source: str = ""
    """Where it is known from: B-numbers of the ladder and their citations."""
    numbers: str = ""
    """Its figures, in words."""
    fails_plain: bool = False
    """A plain client that goes to the relay by its name must fail under it, else the run is void."""
    spares_neutral: bool = True
    """The relay must answer under its neutral name. False where addresses are hit, whatever the name."""
    hits_later: bool = False
    """What it hits, it hits some time after the strike (addresses that are listed when they were looked at): what counts is the longest
    that any message took from the strike on."""
    variant_of: str = ""
    """The measure whose target in the table is this one's, too; '' for its own."""

    def policy(self, world: World, provider: int, scale: float, seed: int) -> Policy:
        """The stateful part for one provider, made anew at each strike. `scale` shortens waits of minutes, never the traffic."""
        return Policy()

    def rules(self, world: World, provider: int) -> Sequence[str]:
        """Command lines for the provider's gateway namespace, each `iptables …` or `nft …`.

        The city has made an empty chain LAB in the tables filter and mangle, which everything that is forwarded runs through, and an
        empty table `ip lab` of nft. Rules go there and nowhere else: lifting is flushing the chains and deleting the table."""
        return ()

    def resolver(self, world: World, provider: int) -> ResolverPolicy:
        """What the provider's national resolver answers."""
        return ResolverPolicy()

    def mixed(self, seed: int) -> Measure:
        """This measure as the seed makes it, where kernel rules and resolvers depend on one, too. `NAME@seed` loads it."""
        return self

    def lasts(self, scale: float) -> float:
        """Seconds for which people have to go on talking after the strike, so that what it does later is felt. The usual is enough: 0."""
        return 0.0

    def steps(self, scale: float) -> Sequence[tuple[float, str]]:
        """(seconds after the strike, a measure's name): measures that take this one's place, in order, with open flows kept."""
        return ()
