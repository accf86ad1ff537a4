"""S8: calls are off."""

from collections.abc import Sequence

from lab.policy import Measure, World


class CallsOff(Measure):
    name = "S8"
    about = "STUN is dropped, and nearly all other UDP packets above 100 bytes."
    source = "B28, E10: compromat.io; Flowseal/zapret-discord-youtube#4580; remittor/zapret-openwrt#377"
    numbers = "STUN by its magic cookie; other UDP above 100 B with p = 0.9"

    def rules(self, world: World, provider: int) -> Sequence[str]:
        return [
            'iptables -A LAB -p udp -m u32 --u32 "0>>22&0x3C@12=0x2112A442" -j DROP',
            "iptables -A LAB -p udp -m length --length 129: -m statistic --mode random --probability 0.9 -j DROP",
        ]


MEASURE = CallsOff()
