"""S9: QUIC version 1 is off."""

from collections.abc import Sequence

from lab.policy import Measure, World


class QuicOff(Measure):
    name = "S9"
    about = "Datagrams of QUIC version 1 to port 443 are dropped. TCP is not touched."
    source = "B7, E9: bbs#108; TSPU IMC'22 §2"
    numbers = "UDP to 443, version 1, payload of 1001 bytes or more"

    def rules(self, world: World, provider: int) -> Sequence[str]:
        bits = '"0>>22&0x3C@8&0xC0000000=0xC0000000&&0>>22&0x3C@9=0x1"'
        return [f"iptables -A LAB -p udp --dport 443 -m length --length 1029: -m u32 --u32 {bits} -j DROP"]


MEASURE = QuicOff()
