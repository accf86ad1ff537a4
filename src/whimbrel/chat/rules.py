"""Who may do what in a conversation: the rules of validity, version 1 (docs/protocol/conversation.md).

Pure, and of the MLS state and the commit alone: no clock, no contacts, no settings. All honest members come to the
same answer, so a commit that one refuses is refused by all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from whimbrel.crypto.accounts import DEVICES_MAX, open_credential
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.leaf import EVERYBODY, LeafExtension, Roles, decode_leaf, decode_roles
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
    """Roles that make sense. Refused for any others."""
    try:
        return decode_roles(raw)
    except CryptoError as error:
        raise Refused(f"roles that cannot be read: {error}") from None


def may_post(roles: Roles, account: bytes) -> bool:
    """Whether what this member writes counts. Reactions, receipts and goodbyes always do."""
    return roles.may_post == EVERYBODY or account in roles.admins


def may_add(roles: Roles, account: bytes) -> bool:
    """Whether this member may let others in."""
    return roles.may_add == EVERYBODY or account in roles.admins


def may_change(roles: Roles, account: bytes) -> bool:
    """Whether this member may change name, picture and timer."""
    return roles.may_change == EVERYBODY or account in roles.admins


def check_group(group: Group, pair: frozenset[bytes] | None) -> tuple[Roles, list[Seat]]:
    """What a joiner asks of the group it was let into. `pair`: the two accounts of a conversation of two."""
    roles, members = roles_of(group), seats(group)
    accounts = {member.account for member in members}
    _check_roster(roles, members)
    if pair is None:
        return roles, members
    if accounts != pair or set(roles.admins) != pair:
        raise Refused("a conversation of two that is not of these two")
    if roles != Roles(roles.admins, timer=roles.timer):
        raise Refused("a conversation of two with a name, a picture, or rights")
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
    if pair:
        both = set(roles.admins)
        if any(leaf.account not in both for leaf in added) or after.admins != roles.admins:
            raise Refused("a third person in a conversation of two")
    check_looks(roles, after, pair)
    if committer.account not in roles.admins:
        _check_no_admin(roles, after, members, committer.account, added, removed, info.roles is not None)
    gone = {leaf.index for leaf in removed}
    _check_roster(after, [*(member for member in members if member.index not in gone), *added])
    return after


def check_looks(roles: Roles, after: Roles, pair: bool) -> None:
    """What a group may become, whoever wishes it. Refused for anything else."""
    if pair and after != replace(roles, timer=after.timer):
        raise Refused("a conversation of two with a name, a picture, or rights")
    if after.name != roles.name and not after.name.strip():
        raise Refused("a group without a name")


def _check_no_admin(
    roles: Roles,
    after: Roles,
    members: Sequence[Seat],
    own: bytes,
    added: Sequence[Seat],
    removed: Sequence[Seat],
    changes: bool,
) -> None:
    """What a member who is no admin may commit: own devices, and what everybody has the right to."""
    if any(leaf.account != own for leaf in removed):
        raise Refused("a removal by somebody who is no admin")
    others = {leaf.account for leaf in added if leaf.account != own}
    if others and not may_add(roles, own):
        raise Refused("an addition by somebody who is no admin")
    if others & {*roles.admins, *(member.account for member in members)}:
        raise Refused("a device of somebody else, added by somebody who is no admin")
    if changes and not may_change(roles, own):
        raise Refused("a change by somebody who is no admin")
    if after != replace(roles, name=after.name, timer=after.timer, picture=after.picture):
        raise Refused("admins or rights changed by somebody who is no admin")


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
