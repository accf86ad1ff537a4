"""The 16-KB curtain: a connection to a foreign data centre freezes, without a word, after so many packets or bytes. LADDER B15."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lab import tls
from lab.censor.filter import Look, Rule
from lab.censor.match import ByName
from lab.packets import TCP, Nets
from lab.policy import Out


class Curtain(Rule):
    def __init__(
        self,
        cidrs: Iterable[str],
        *,
        packets: int | None = 25,
        reply_bytes: int | None = None,
        exempt: Iterable[str] = (),
        ssh_passes: bool = True,
    ) -> None:
        """`packets`: in both directions together, TCP and UDP alike; `reply_bytes`: of the server, from then on nothing of it passes."""
        super().__init__()
        self._nets, self._packets, self._reply_bytes = Nets(tuple(cidrs)), packets, reply_bytes
        self._exempt, self._ssh_passes = ByName(exempt), ssh_passes

    def judge(self, look: Look) -> Sequence[Out] | None:
        flow = look.flow
        if flow.server not in self._nets or self._passes(look):
            return None
        many = self._packets is not None and flow.packets > self._packets
        much = (
            self._reply_bytes is not None and not look.from_client and flow.server_bytes >= self._reply_bytes
        )
        if not many and not much:
            return None
        if "curtain" not in flow.notes:
            flow.notes["curtain"] = True
            self.count["frozen flow"] += 1
        self.count["dropped behind the curtain"] += 1
        return ()

    def _passes(self, look: Look) -> bool:
        flow = look.flow
        if isinstance(flow.hello, tls.Hello) and self._exempt.listed(flow.hello.name):
            return True
        return self._ssh_passes and look.packet.protocol == TCP and flow.stream.startswith(b"SSH-")
