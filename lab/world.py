"""The city as data: who is where, by which name and address. Nothing here touches a device.

Addresses are those that the registries keep for benchmarks and documentation (198.18.0.0/15, RFC 2544; 203.0.113.0/24,
198.51.100.0/24 and 192.0.2.0/24, RFC 5737): nothing in the world answers there, and no program takes them for a private network.
Names end in `.example` (RFC 2606).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.policy import World

PROVIDERS = 2
MTU = 1500


@dataclass(frozen=True, slots=True)
class Host:
    """A machine in a namespace of its own, behind one gateway."""

    name: str
    """Of its namespace, without the prefix of the lab."""
    addresses: tuple[str, ...]
    behind: str
    """The namespace that forwards for it."""
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What resolvers know: name → addresses."""


def provider_name(provider: int) -> str:
    """The namespace of a provider's gateway."""
    return f"acc{provider + 1}"


def provider_net(provider: int) -> str:
    return f"198.18.{provider + 1}.0/24"


def gateway_address(provider: int) -> str:
    return f"198.18.{provider + 1}.1"


def resolver_address(provider: int) -> str:
    """Of the provider's national resolver; it stands in the gateway, before the border."""
    return f"198.18.{provider + 1}.53"


WORLD_GATEWAY = "wld"
DOMESTIC = "dom"

PEOPLE: dict[str, tuple[int, str]] = {
    "ada": (0, "198.18.1.11"),
    "bo": (1, "198.18.2.11"),
    "cleo": (0, "198.18.1.12"),
    "dov": (1, "198.18.2.12"),
}
"""Name → provider and address. The first two talk, the others come later, with nothing but an invite."""

RELAY = Host(
    "relay",
    ("203.0.113.10", "198.51.100.10"),
    WORLD_GATEWAY,
    {
        "talk.whimbrel.example": ("203.0.113.10", "198.51.100.10"),
        "www.tidewater-maps.example": ("203.0.113.10", "198.51.100.10"),
    },
)
BRIDGES = (
    Host(
        "bridge1",
        ("198.19.11.10",),
        WORLD_GATEWAY,
        {"photos.millbrook.example": ("198.19.11.10",)},
    ),
    Host(
        "bridge2",
        ("198.19.22.10",),
        WORLD_GATEWAY,
        {"library.osterby.example": ("198.19.22.10",)},
    ),
    Host(
        "bridge3",
        ("198.19.33.10",),
        WORLD_GATEWAY,
        {"garden.fernhill.example": ("198.19.33.10",)},
    ),
)
CDN = Host(
    "cdn",
    ("198.19.44.10",),
    WORLD_GATEWAY,
    {
        "assets.brightedge.example": ("198.19.44.10",),
        "img.brightedge.example": ("198.19.44.10",),
        "shop.ninepins.example": ("198.19.44.10",),
    },
)
"""Serves several names. The first two lead on to the relay, the third is a shop and nothing else."""
SITE = Host(
    "site",
    ("192.0.2.80",),
    WORLD_GATEWAY,
    {
        "www.wetlands.example": ("192.0.2.80",),
        "update.storefront.example": ("192.0.2.80",),
        "cdn.storefront.example": ("192.0.2.80",),
        "play.storefront.example": ("192.0.2.80",),
    },
)
"""Ordinary foreign web sites. The last three are those that a curtain lets through."""
RESOLVERS = Host(
    "dns",
    ("198.19.53.8", "198.19.54.9"),
    WORLD_GATEWAY,
    {"dns.openfield.example": ("198.19.53.8",), "dns.quietnet.example": ("198.19.54.9",)},
)
PROBER = Host("prober", ("198.19.66.66",), WORLD_GATEWAY)
"""Where the censor's active prober looks from."""

CHAT = Host(
    "chat",
    ("198.19.71.10", "198.19.72.10"),
    WORLD_GATEWAY,
    {
        "chat.puffin.example": ("198.19.71.10", "198.19.72.10"),
        "upload.chat.puffin.example": ("198.19.71.10", "198.19.72.10"),
    },
)
"""Where an XMPP server stands while that is measured (`lab.peers`), with two addresses as the relay has them."""
MAIL = Host("mail", ("198.19.73.10",), WORLD_GATEWAY, {"mail.kittiwake.example": ("198.19.73.10",)})
"""Where a mail server stands while Delta Chat is measured."""
TUNNEL = Host("tunnel", ("198.19.74.10",), WORLD_GATEWAY, {"notes.harbourlight.example": ("198.19.74.10",)})
"""Where the server of a tunnel stands while one is measured."""

DOMESTIC_NET = "198.18.100.0/24"
DOMESTIC_SITE = Host(
    "domsite",
    ("198.18.100.10",),
    DOMESTIC,
    {"www.homeland-news.example": ("198.18.100.10",), "bank.homeland.example": ("198.18.100.10",)},
)
"""Inside, before the border."""
DOMESTIC_PLACES = {"mail.homeland.example": "198.18.100.20", "storage.homeland.example": "198.18.100.30"}
"""Where mail and storage will stand. Nothing answers there yet."""

FOREIGN_HOSTS: tuple[Host, ...] = (RELAY, *BRIDGES, CDN, SITE, RESOLVERS, PROBER, CHAT, MAIL, TUNNEL)
HOSTS: tuple[Host, ...] = (*FOREIGN_HOSTS, DOMESTIC_SITE)


def zone() -> dict[str, tuple[str, ...]]:
    """All names of the city and their addresses, as an honest resolver has them."""
    found: dict[str, tuple[str, ...]] = {}
    for host in HOSTS:
        found |= host.names
    return found | {name: (address,) for name, address in DOMESTIC_PLACES.items()}


def the_world(ca: str) -> World:
    """What measures and controls are told of the city. `ca`: path of the PEM file of its certificate authority."""
    relay_name, neutral_name = RELAY.names
    benign_name, *exempt = SITE.names
    return World(
        relay_name=relay_name,
        relay_addresses=RELAY.addresses,
        neutral_name=neutral_name,
        bridge_names=tuple(name for host in BRIDGES for name in host.names),
        bridge_addresses=tuple(address for host in BRIDGES for address in host.addresses),
        benign_name=benign_name,
        benign_address=SITE.addresses[0],
        national_resolvers=tuple(resolver_address(provider) for provider in range(PROVIDERS)),
        resolvers=tuple((name, addresses[0]) for name, addresses in RESOLVERS.names.items()),
        person_addresses=tuple(
            tuple(address for at, address in PEOPLE.values() if at == provider)
            for provider in range(PROVIDERS)
        ),
        cdn_names=tuple(CDN.names),
        cdn_address=CDN.addresses[0],
        exempt_names=tuple(exempt),
        foreign=tuple(
            f"{address.rpartition('.')[0]}.0/24" for host in FOREIGN_HOSTS for address in host.addresses
        ),
        domestic_names=(*DOMESTIC_SITE.names, *DOMESTIC_PLACES),
        domestic_addresses=(*DOMESTIC_SITE.addresses, *DOMESTIC_PLACES.values()),
        ca=ca,
        peer_names=(next(iter(CHAT.names)), *MAIL.names),
        peer_addresses=(*CHAT.addresses, *MAIL.addresses),
        tunnel_addresses=TUNNEL.addresses,
    )
