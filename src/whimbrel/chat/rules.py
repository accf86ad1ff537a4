"""Who may change what in a conversation: the rules of validity, version 1 (docs/protocol/conversation.md).

Pure, and of the MLS state and the commit alone: no clock, no contacts, no settings. All honest members come to the
same answer, so a commit that one refuses is refused by all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from whimbrel.crypto.accounts import DEVICES_MAX, open_credential
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.leaf import ADMINS, EVERYBODY, LeafExtension, Roles, decode_leaf, decode_roles
from whimbrel.crypto.mls import CommitInfo, Group, inspect_key_package
from whimbrel.wire.stored import ADMINS_MAX


class Refused(Exception):
    """A commit or a group that the rules do not allow; the text says which rule."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A leaf of the group, understood and verified: one device of one account."""

    index: int
    account: bytes
    device: bytes
    leaf: LeafExtension


def seat(index: int, device: bytes, credential: bytes, leaf_extension: bytes | None) -> Seat:
    """Understand a leaf; Refused when its account did not sign its device, or its extension is not ours."""
    if leaf_extension is None:
        raise Refused("a leaf without our extension")
    try:
        opened = open_credential(credential, device)
        return Seat(index, opened.account, device, decode_leaf(leaf_extension))
    except CryptoError as error:
        raise Refused(f"a leaf that does not hold: {error}") from None


def seat_of(key_package: bytes) -> Seat:
    """The leaf that a key package would become. Raises MlsError, Refused."""
    info = inspect_key_package(key_package)
    return seat(-1, info.signature_key, info.credential, info.leaf_extension)


def seats(group: Group) -> list[Seat]:
    """All leaves of a group, verified."""
    return [seat(m.index, m.signature_key, m.credential, m.leaf_extension) for m in group.members()]


def roles_of(group: Group) -> Roles:
    """The roles in the group's context; Refused when there are none or they make no sense."""
    raw = group.roles()
    if raw is None:
        raise Refused("a group without roles")
    return understood(raw)


def understood(raw: bytes) -> Roles:
    """Roles that these rules know how to hold to: everybody posts, admins add and change. Refused for any others."""
    try:
        roles = decode_roles(raw)
    except CryptoError as error:
        raise Refused(f"roles that cannot be read: {error}") from None
    if (roles.may_post, roles.may_add, roles.may_change) != (EVERYBODY, ADMINS, ADMINS):
        raise Refused("roles of a later version")
    return roles


def check_group(group: Group, pair: frozenset[bytes] | None) -> tuple[Roles, list[Seat]]:
    """What a joiner asks of the group it was let into. `pair`: the two accounts of a conversation of two."""
    roles, members = roles_of(group), seats(group)
    accounts = {member.account for member in members}
    _check_roster(roles, members)
    if pair is not None and (accounts != pair or set(roles.admins) != pair):
        raise Refused("a conversation of two that is not of these two")
    return roles, members


def check_commit(roles: Roles, members: Sequence[Seat], sender: int, info: CommitInfo, pair: bool) -> Roles:
    """The roles after the commit; Refused when the rules do not allow it."""
    by_index = {member.index: member for member in members}
    committer = by_index.get(sender)
    if committer is None:
        raise Refused("a commit by somebody who has no leaf")
    if info.others:
        raise Refused(f"a commit with {', '.join(info.others)}")
    if info.updates:
        raise Refused("a commit that updates another's leaf")
    if info.path is not None:
        renewed = seat(sender, info.path.signature_key, info.path.credential, info.path.leaf_extension)
        if (renewed.account, renewed.device) != (committer.account, committer.device):
            raise Refused("an update that changes who a leaf belongs to")
    added = [seat(-1, leaf.signature_key, leaf.credential, leaf.leaf_extension) for leaf in info.adds]
    removed = []
    for index in info.removes:
        if index not in by_index:
            raise Refused("a commit that removes nobody")
        removed.append(by_index[index])
    after = roles
    if not info.required_ok:
        raise Refused("a change of extensions that drops what is required")
    if info.roles is not None:
        after = understood(info.roles)
    if committer.account in roles.admins:
        if pair:
            both = set(roles.admins)
            if any(leaf.account not in both for leaf in added) or after.admins != roles.admins:
                raise Refused("a third person in a conversation of two")
    else:
        own = committer.account
        if any(leaf.account != own for leaf in [*added, *removed]) or info.roles is not None:
            raise Refused("a change by somebody who is no admin")
    gone = {leaf.index for leaf in removed}
    _check_roster(after, [*(member for member in members if member.index not in gone), *added])
    return after


def _check_roster(roles: Roles, leaves: Sequence[Seat]) -> None:
    """What holds in every epoch: somebody may change the group, and what the relay is told of it fits."""
    accounts = Counter(leaf.account for leaf in leaves)
    if not set(roles.admins) & set(accounts):
        raise Refused("no admin is a member")
    keys = {leaf.leaf.log_key for leaf in leaves if leaf.account in roles.admins}
    if max(len(roles.admins), len(keys)) > ADMINS_MAX:
        raise Refused("more admins than a log takes")
    if max(accounts.values()) > DEVICES_MAX:
        raise Refused("more devices than an account may have")
    if len({leaf.device for leaf in leaves}) != len(leaves):
        raise Refused("one device twice")
