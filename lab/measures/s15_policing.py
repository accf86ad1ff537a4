"""S15: too many TLS connections alike in a minute, and new ones hang."""

from collections.abc import Sequence
from random import Random

from lab.censor import Bans, Policing, Rule
from lab.measures.filtered import Filtered
from lab.policy import World


class Twelve(Filtered):
    name = "S15"
    about = "More than 12 connections to a server, or hellos alike, in a minute: new ones get no answer. A kernel limiter and a hello counter together."
    source = "B17, E13: bbs#546; Xray#6293; DPICH checkers/webhost.go"
    numbers = "12 SYNs at once, then one a minute, for each person and server; 12 hellos in 60 s by /24, name and JA4, then 60 s of silence"

    def rules(self, world: World, provider: int) -> Sequence[str]:
        limit = "--hashlimit-above 1/min --hashlimit-burst 12 --hashlimit-mode srcip,dstip,dstport --hashlimit-name lab15"
        return [f"iptables -A LAB -p tcp --syn --dport 443 -m hashlimit {limit} -j DROP"]

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        return [Policing(12)]


class Four(Filtered):
    name = "S15s"
    about = "More than 4 hellos alike in a minute: new ones get no answer for a minute."
    source = "B17: DPICH config/default.yaml (the checker's default)"
    numbers = "4 hellos in 60 s by /24, name and JA4, then 60 s of silence"
    variant_of = "S15"

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        return [Policing(4)]


MEASURES = (Twelve(), Four())
