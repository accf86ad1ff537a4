"""MLS (RFC 9420) for one device: groups, key packages, and the rows in which they are kept.

The work is done by OpenMLS, in Rust (`native/`); here is what the calls mean. Nothing here decides who may do
what: `Group.process` says what a commit would do, and whoever called it merges or discards. Nothing here reads or
writes a file either: what is to be kept leaves as rows.

**Rows.** A row is `(scope, key, value)`: the scope is a group's id, or empty for what belongs to the device (its
key packages). `Engine.feed` what is on disk, call, then `Engine.take_changes` and write them *in the same
transaction* as whatever depends on them, before anything leaves the machine. `None` as a value deletes the row; it
may not be there. If anything fails before that, `Engine.rollback`: every group object that was made, loaded or
changed since the last take raises `OutOfDate` from then on, and is loaded again. Most calls that fail change
nothing, but not all (a join that fails has used up its key package): always roll back.

**Threads.** One engine and its groups belong to one thread at a time, since they share one batch of changes. Long
calls release the interpreter lock, so engines of different devices run side by side. Never `fork`.

**Errors.** All are `MlsError`. The base itself means that the caller called wrongly, or a fault in OpenMLS.

`Engine(signature_private, signature_public)` -- an Ed25519 seed and key, 32 bytes each; `new_signature_key` makes them.

- `feed(rows)`: `StorageDamaged` if a row is of another format than this version writes.
- `forget(scope)`: drops rows from memory, when no group object uses them; refused while there are changes in the scope.
- `key_package(suite, credential, leaf_extension, last_resort)` -> (key package as an MLSMessage, its reference:
  32 bytes in the classical suite, 48 in the hybrid one). RFC 9420, 10. Its private half is a row until it is used.
- `create_group(group_id, suite, credential, leaf_extension, roles)`: a group of one, epoch 0.
- `join(welcome, tree, known)` (12.4.3.1): the tree is always beside the Welcome. `NoKeyPackage`: the Welcome is for nobody
  here, or its key package was used. The group's id is known only when the Welcome is open: `known` names the groups
  that there are, so that no Welcome writes over one (`Invalid`). Also look at `suite`, `required_ok`, `roles()`,
  `members()`, and `welcome_sender` (the leaf index of whoever signed the Welcome) before keeping it.
- `load_group(group_id)`: None if its rows were not fed. A group that is loaded already is the same one.
- `delete_group(group_id)`: deletes the rows that were fed or made; objects of the group raise `OutOfDate`.

`Group`:

- `epoch_authenticator()` (8.7): equal for all members of an epoch. `export(label, context, length)` (8.5): a secret of
  this epoch. `pending_export` and `staged_export`: of the epoch that the own pending commit, or the received one,
  would begin. `tree()`: what `join` wants beside the Welcome, as it is *after* the commit was merged.
- `encrypt(plaintext)` (6.3): a private message. Nothing is padded here. `PendingCommit` while a commit is pending.
- `commit(adds, removes, roles, update, leaf_extension)` (12.4) -> (commit, Welcome or None): one commit with all of it, by
  value, padded to a multiple of 256 bytes inside. It is pending until `merge_pending` (it was accepted) or
  `clear_pending` (another one was). With `adds` alone there is no update path: cheap in large groups, and no healing.
  Anything else has one, which keeps the leaf extension unless a new one is given. `roles` replaces the whole list of
  context extensions.
- `process(message)` -> `Processed`. Only private messages: anything else is `Invalid`. `WrongEpoch`: of a past or future
  epoch, so also a commit that was merged already. `Replayed`: its key was used, or 64 or more messages of its sender that
  are newer were read. A failed call leaves the group as it was. A commit waits for `merge_staged` (which also drops an
  own pending one) or `discard_staged`; either way its key is used up, so after a discard only a rollback lets the same
  bytes be processed again.

`Processed.kind`: "application" (`plaintext`), "commit" (`commit`), "proposal" (a lone one: verified, and not kept), "own". *Own*
comes from unverified sender data, and any member can forge it: own messages are recognised by their entry, not by this.

`CommitInfo`: `adds`, `removes` (leaf indexes), `updates` (always empty in valid commits), `path` (the committer's new leaf, if there
is an update path), `roles` (new bytes, if there is a GroupContextExtensions proposal), `required_ok` (the extensions after
the commit are exactly roles and required capabilities of version 1), `self_removed`, and `others`: names of whatever version 1
does not know: "reference", "psk", "reinit", "external init", "self remove", "custom 0x...", "update by a
stranger", and "lifetime" for an added key package that is not valid forever. A commit with any of them is to be refused.
"""

from whimbrel.crypto._mls import (
    CLASSICAL,
    HYBRID,
    LEAF_EXTENSION,
    ROLES_EXTENSION,
    CommitInfo,
    Engine,
    Group,
    Invalid,
    KeyPackageInfo,
    Member,
    MlsError,
    NoKeyPackage,
    NotMember,
    OutOfDate,
    PendingCommit,
    Processed,
    Replayed,
    StorageDamaged,
    WrongEpoch,
    inspect_key_package,
    welcome_refs,
)

__all__ = [
    "CLASSICAL",
    "HYBRID",
    "LEAF_EXTENSION",
    "ROLES_EXTENSION",
    "SUITE_NAMES",
    "CommitInfo",
    "Engine",
    "Group",
    "Invalid",
    "KeyPackageInfo",
    "Member",
    "MlsError",
    "NoKeyPackage",
    "NotMember",
    "OutOfDate",
    "PendingCommit",
    "Processed",
    "Replayed",
    "StorageDamaged",
    "WrongEpoch",
    "inspect_key_package",
    "welcome_refs",
]

#: Names for people. The first is the default, the second the fallback; see `docs/protocol/mls.md`.
SUITE_NAMES: dict[int, str] = {
    HYBRID: "X25519 + ML-KEM-768, AES-256-GCM, SHA-384, Ed25519",
    CLASSICAL: "X25519, ChaCha20-Poly1305, SHA-256, Ed25519",
}
