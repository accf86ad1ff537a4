"""S12: hellos of programs, of old browsers, and those with ECH under a listed outer name."""

from random import Random

from lab.censor import Bans, ByEch, ByJa4, Rule, Swallow, Trigger
from lab.measures.filtered import Filtered
from lab.policy import World

# Middle parts are the offered ciphers and hold whatever ALPN and extensions are.
DROPPED = {
    "85036bcba153": "Python's ssl with OpenSSL 3.0",
    "f57a46bbacb6": "Go's crypto/tls",
    "t13d1516h2_8daaf6152771_e5627efa2ab1": "Chrome 99 to 110",
    "t13d1516h2_8daaf6152771_02713d6af862": "Chrome 111 to 131",
    "t13d1516h2_8daaf6152771_d8a2da3f94cd": "Chrome 133 to 146, and Telegram's likeness of it",
    "t13d1515h1_8daaf6152771_de4a06bb82e3": "a WebSocket of Chrome 120",
}
OUTER = ("cloudflare-ech.com",)


class Fingerprints(Filtered):
    name = "S12"
    about = "Hellos of Python, Go and obsolete Chromes are answered, and what follows is dropped; so is ECH under its well-known outer name."
    source = "B18, B19, B24: Xray#5333, #6273; tdesktop#30733; mtg#547; bbs#417; OONI ts-039"
    numbers = "JA4 list; two more packets pass, so that the ServerHello arrives and nothing after it"
    fails_plain = True

    def filters(self, world: World, provider: int, scale: float, rng: Random, bans: Bans) -> list[Rule]:
        return [
            Trigger("dropped by fingerprint", ByJa4(DROPPED), Swallow((2, 2)), bans, rng),
            Trigger("dropped ECH", ByEch(OUTER), Swallow(), bans, rng),
        ]


MEASURE = Fingerprints()
