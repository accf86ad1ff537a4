"""What an invite stands for: the log or card by which it is known, and where its card lies."""

from __future__ import annotations

from whimbrel.crypto.invites import from_seed, ready_log
from whimbrel.wire import codec
from whimbrel.wire.texts import Invite, OneUse, Open


def key_of(invite: Invite) -> bytes:
    """What an invite is known by: the log that a one-use invite stands for, or the card of an open one."""
    secret = invite.secret
    return (
        codec.log_id(codec.encode_log_body(ready_log(secret.seed)))
        if isinstance(secret, OneUse)
        else secret.card
    )


def card_of(invite: Invite) -> tuple[bytes, bytes]:
    """Id and key of the card behind an invite."""
    secret = invite.secret
    if isinstance(secret, Open):
        return secret.card, secret.card_key
    keys = from_seed(secret.seed)
    return keys.card_id, keys.card_key
