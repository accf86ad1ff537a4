"""A line between two places as the border holds it: so many bits a second, a queue that is full at some point, and a way to go.

Pure: time comes in. A packet is given the moment at which it arrives at the other end, or none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Line:
    """One direction of one provider's way through the border."""

    rate: float
    """Bits a second."""
    delay: float
    """Seconds from one end to the other, for the last bit of a packet."""
    queue: float
    """Seconds of waiting at most: what would wait longer is dropped, as a full buffer does."""
    free_at: float = 0.0
    dropped: int = 0

    def arrival(self, now: float, size: int) -> float | None:
        """When a packet that comes now is through; None: the queue is full."""
        begins = self.free_at if self.free_at > now else now
        if begins - now > self.queue:
            self.dropped += 1
            return None
        self.free_at = begins + size * 8 / self.rate
        return self.free_at + self.delay
