"""The switches: one for each measure that can be shown by streams, with where it is known from. What they do is in `border.py`.

`measure` is its name in the lab (`lab/measures`), whose `source` names what `link` leads to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lab import measures


@dataclass(frozen=True, slots=True)
class Switch:
    key: str
    measure: str
    cites: str
    """What of the measure's source the link leads to; a test compares."""
    link: str

    @property
    def source(self) -> str:
        return measures.load(self.measure).source


EVERYTHING: Final = "everything"
SWITCHES: Final = (
    Switch(EVERYTHING, "S16", "LC:2024-xue-tspu", "https://ensa.fi/papers/tspu-imc22.pdf"),
    Switch("names", "S1", "xakep.ru/2026/02/12/nsdi", "https://xakep.ru/2026/02/12/nsdi/"),
    Switch("forged", "S3b", "bbs#80", "https://github.com/net4people/bbs/issues/80"),
    Switch("resolvers", "S2", "bbs#81", "https://github.com/net4people/bbs/issues/81"),
    Switch("reset", "S4", "ensa.fi/papers/tspu-imc22.pdf", "https://ensa.fi/papers/tspu-imc22.pdf"),
    Switch("silence", "S5", "TSPU IMC'22", "https://ensa.fi/papers/tspu-imc22.pdf"),
    Switch("throttle", "S6", "censoredplanet.org/throttling", "https://censoredplanet.org/throttling"),
    Switch("lottery", "S7b", "cognicurrent.com 500237", "https://cognicurrent.com/article/500237"),
    Switch(
        "fingerprint", "S12", "tdesktop#30733", "https://github.com/telegramdesktop/tdesktop/issues/30733"
    ),
    Switch("addresses", "S13", "LC:2020-alice", "https://gfw.report/publications/imc20/en/"),
    Switch("curtain", "S14b", "bbs#490", "https://github.com/net4people/bbs/issues/490"),
    Switch("policing", "S15", "bbs#546", "https://github.com/net4people/bbs/issues/546"),
)
BY_KEY: Final = {switch.key: switch for switch in SWITCHES}
