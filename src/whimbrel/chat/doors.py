"""Doors: how people come in. Our invites, others' invites, and the letters that bring a request or a Welcome."""

from __future__ import annotations

from whimbrel.chat.acceptances import Acceptance, Acceptances
from whimbrel.chat.effects import Effects, Tag
from whimbrel.chat.household import Household
from whimbrel.chat.invites import Invites
from whimbrel.chat.refusal import CannotDo
from whimbrel.chat.welcomes import Welcomes
from whimbrel.wire.answers import Answer
from whimbrel.wire.texts import Invite


class Doors:
    """All three, of a Person."""

    def __init__(self, person: Household) -> None:
        self.acceptances = Acceptances(person)
        self.welcomes = Welcomes(person, self.acceptances, lambda: self.invites.logs())
        self.invites = Invites(person, self.welcomes)

    def restore(self, facts: dict[str, bytes]) -> None:
        self.welcomes.restore(facts)
        self.invites.restore(facts)
        self.acceptances.restore(facts)

    def accept(self, invite: Invite, text: str, now: int, fx: Effects) -> Acceptance:
        """Begin to open an invite; the same one again goes on where it stands. Raises CannotDo for an own one."""
        if self.invites.is_ours(invite):
            raise CannotDo("own-invite", "This is an invite of your own.", "Give it to somebody else.")
        return self.acceptances.begin(invite, text, now, fx)

    def busy(self) -> bool:
        """Whether something waits for a relay."""
        return self.welcomes.busy() or self.acceptances.busy()

    def pump(self, now: int, fx: Effects) -> None:
        """Ask for what is still missing: cards of invites, trees of Welcomes; enter by Welcomes that waited."""
        self.acceptances.pump(fx)
        self.welcomes.pump(now, fx)

    def answer(self, tag: Tag, answer: Answer, now: int, fx: Effects) -> None:
        match tag:
            case ("card", key):
                self.acceptances.card(key, answer, now, fx)
            case ("blob", key, n, before):
                self.welcomes.blob(key, n, before, answer, now, fx)
