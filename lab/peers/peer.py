"""What a run asks of a peer, and of the two people who use it. Nothing of any one of them is here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from lab.city import City
from lab.talk import Arrived, Sent


class Somebody(Protocol):
    """Whoever talks, with whatever program."""

    @property
    def place(self) -> str:
        """Of the city, as in `world.PEOPLE`."""
        ...

    @property
    def name(self) -> str: ...

    @property
    def arrived(self) -> list[Arrived]:
        """What others said, in the order in which the program showed it."""
        ...

    def say(self, chat: str, text: str) -> Sent: ...

    def waiting(self) -> int:
        """How many messages of this person are not delivered, as far as their own program knows."""
        ...

    def way(self) -> str | None:
        """What carries them now, in a word; None while nothing does."""
        ...


class Correspondent(Somebody, Protocol):
    """Somebody who uses a peer."""

    def send_file(self, other: Correspondent, size: int, patience: float) -> float | None:
        """Seconds until a file of random bytes was whole at the other side; None: it was not in time."""
        ...


class Peer(ABC):
    """A messenger, or a messenger through something."""

    name: str
    """A word for the command line."""
    title: str
    """For the table."""
    about: str
    """What it is made of, in a sentence or two."""
    by_hand: str
    """What a person has to do when it does not come back by itself."""
    place: int = 0
    """In the order of the table."""
    patience: float = 0.0
    """Seconds that its own timers take before it looks for a new connection, and a while: nobody waits for it less."""

    @abstractmethod
    def missing(self) -> str | None:
        """What this machine lacks for it, in a word for people; None where nothing is missing."""

    @abstractmethod
    def configs(self) -> Mapping[str, str]:
        """The texts of its configurations as they stand in `configs/`, by file name, for the page."""

    @abstractmethod
    def people(self, city: City, mark: str) -> AbstractContextManager[tuple[Correspondent, Correspondent]]:
        """Two at `ada` and `bo` who use it, in contact and up, on an open network; servers and all end with it. `mark` makes names new.
        Raises LabError when they do not come up."""
