"""The key document of one relay: the newest that was seen, whoever brought it."""

from __future__ import annotations

from collections.abc import Callable

from whimbrel.wire import keydoc
from whimbrel.wire.errors import WireError
from whimbrel.wire.keydoc import KeyDocument

DAY = 24 * 3600
"""Seconds by which clocks may differ before anybody is told: all that the times of a document can show is of that size."""


class Keys:
    """Holds the document and hands a newer one on, to be kept. The newest number wins; no clock is asked."""

    def __init__(
        self, identity: bytes, kept: bytes | None, keep: Callable[[bytes], None] = lambda document: None
    ) -> None:
        """`kept`: the bytes that an earlier `keep` was given. What does not hold any more is forgotten."""
        self.identity = identity
        self.document: KeyDocument | None = None
        self._keep = keep
        if kept is not None:
            try:
                self.document = keydoc.decode(kept, identity)
            except WireError:
                pass

    def disagree_with(self, now: float) -> bool:
        """Whether a clock that shows `now` (Unix seconds) and the relay's are a day or more apart, as far as its document tells.

        It decides nothing: the newest number wins. It is only said.
        """
        document = self.document
        return document is not None and not document.start - DAY <= now <= document.until + DAY

    def learn(self, document: KeyDocument) -> None:
        """A document of this relay, checked; it is taken when it is newer."""
        if self.document is None or document.number > self.document.number:
            self.document = document
            self._keep(document.encoded)
