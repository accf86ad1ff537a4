"""After people have done everything, the relay's folder and its whole output are searched for anything of theirs."""

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.homes import RelayProcess
from support.residents import Resident, befriend, eventually, residents
from whimbrel.chat.attachments import Transfer
from whimbrel.chat.identity import Identity
from whimbrel.chat.inbox import InboxState
from whimbrel.chat.line_state import LineState
from whimbrel.store.home import open_home
from whimbrel.wire import cbor
from whimbrel.wire.texts import parse_address

pytestmark = pytest.mark.processes

NAMES = ("Adalberta Quillfeather", "Bonifatius Okonkwo", "Cleomenes Straczynski")
GROUP = "Society of the Midnight Regatta"
TEXTS = [
    "meet me under the clock at a quarter to nine",
    "the password of the boathouse is tangerine-umbrella",
    "she has never trusted the harbour master",
]
FILE_NAME = "confidential minutes of the regatta.txt"
FILE_TEXT = "Present: nobody whom you would expect. Decided: everything. "


def encodings(secret: bytes) -> Iterator[bytes]:
    """A secret as it would stand in a file: raw, in hex, and in base64 and base32 at every alignment."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for encode, group, bits in (
        (base64.b64encode, 3, 6),
        (base64.urlsafe_b64encode, 3, 6),
        (base64.b32encode, 5, 5),
    ):
        for before in range(group):
            whole = encode(bytes(before) + secret).rstrip(b"=")
            first = -(-before * 8 // bits)  # characters before it hold something else, too
            last = (before + len(secret)) * 8 // bits
            yield whole[first:last]
            if encode is base64.b32encode:
                yield whole[first:last].lower()


def found(secret: bytes, places: dict[str, bytes]) -> list[str]:
    """Where a secret stands, in any encoding."""
    wanted = set(encodings(secret))
    return [place for place, data in places.items() if any(form in data for form in wanted)]


@dataclass
class Secrets:
    """What of the people nobody but them may know, by what it is."""

    values: dict[str, bytes] = field(default_factory=dict)
    inboxes: list[bytes] = field(default_factory=list)
    """Ids of their inboxes: those the relay must know."""

    def learn(self, home: Path) -> None:
        """Everything that identifies a person, an app or a device, and every key, out of a home whose app has ended."""
        with open_home(home, create=False, find_keyring=lambda interactive: None) as opened:
            facts, store = opened.database.facts(), opened.database
            me = Identity.decode(facts["identity"])
            self._add(me.name, account=me.account, account_private=me.account_private, device=me.device)
            self._add(me.name, device_private=me.device_private, device_secret=me.device_secret)
            relay, routes, *rest = cbor.decode(facts["inbox"])
            inbox = InboxState(relay, tuple(routes), *rest)
            self.inboxes.append(inbox.log)
            self._add(me.name, inbox_private=inbox.key_private, inbox_key=inbox.key_public[:64])
            self._add(me.name, card_key=inbox.card_key, inbox_admin=inbox.admin)
            self._add(me.name, inbox_read=inbox.read, inbox_write=inbox.write)
            for chat in store.chats():
                self._add(f"{me.name} in {chat.name}", chat=chat.id)
                for packed in cbor.decode(chat.state)[3]:
                    line = LineState.unpack(packed)
                    # Not the MLS group's id: it stands in the head of every MLS message, is drawn for this one log, and so
                    # says no more than the log's own id.
                    self._add(
                        f"{me.name} in {chat.name}", read=line.read, write=line.write, log_key=line.log_key
                    )
            for message in store.messages():
                self._add(message.id.hex(), message=message.id)
                for file in store.files_of(message.id):
                    transfer = Transfer.decode(file.state_blob)
                    self._add(file.name, file_key=transfer.key, file_hash=transfer.hash)
        self._add(str(home), path=os.fsencode(home))

    def _add(self, whose: str, **values: bytes) -> None:
        for what, value in values.items():
            assert len(value) >= 8, (whose, what)
            self.values[f"{what} of {whose}"] = value


def do_everything(
    relay: RelayProcess, ada: Resident, bo: Resident, cleo: Resident, folder: Path
) -> list[str]:
    """What three people do in a week, and all that the relay said meanwhile."""
    befriend(ada, bo)
    [made] = ada.ask("invite", open=True)
    cleo.ask("accept", invite=made["invite"], text=TEXTS[2])
    eventually(lambda: ada.ask("requests"))
    ada.ask("requests", action="accept", name=cleo.name)
    eventually(lambda: {chat["name"] for chat in cleo.ask("chats")} == {ada.name})
    [sent] = ada.ask("send", chat=bo.name, text=TEXTS[0])
    [first] = eventually(lambda: bo.read(ada.name))
    assert first["id"] == sent["id"]
    bo.ask("send", chat=ada.name, text=TEXTS[1], reply_to=first["id"], files=[str(folder / FILE_NAME)])
    answer = eventually(lambda: ada.read(bo.name)[1:])[0]
    assert ada.ask("save", message=answer["id"], dir=str(folder))
    assert ada.ask("verify", name=bo.name, confirm=True)

    relay.end()
    assert relay.program is not None
    said = [relay.program.out, relay.program.errors()]
    relay.start()
    ada.ask("group_new", name=GROUP, persons=[bo.name, cleo.name])
    for person in (bo, cleo):
        eventually(lambda: set(person.members(GROUP)) == set(NAMES))  # noqa: B023
    for text in TEXTS:
        cleo.ask("send", chat=GROUP, text=text)
    eventually(lambda: bo.texts(GROUP) == TEXTS)
    ada.ask("group_promote", group=GROUP, person=bo.name)
    ada.ask("group_remove", group=GROUP, person=cleo.name)
    eventually(lambda: set(bo.members(GROUP)) == {ada.name, bo.name})
    bo.ask("send", chat=GROUP, text=TEXTS[0], files=[str(folder / FILE_NAME)])
    eventually(lambda: TEXTS[0] in ada.texts_from(GROUP, bo.name))
    bo.ask("group_leave", group=GROUP)
    eventually(lambda: set(ada.members(GROUP)) == {ada.name})
    for person in (ada, bo, cleo):
        eventually(lambda: not person.ask("status")[0]["waiting"])  # noqa: B023
    return said


def test_nothing_of_the_people_is_in_its_folder_or_its_output(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(FILE_TEXT * 3000)
    # The relay is not where its clients come from, so that the address of one is told from its own.
    with RelayProcess(tmp_path / "relay", "127.0.0.2:0") as relay:
        with residents(tmp_path, relay, *NAMES) as (ada, bo, cleo):
            said = do_everything(relay, ada, bo, cleo, tmp_path)
            for person in (ada, bo, cleo):
                person.end()
        relay.end()
        assert relay.program is not None
        said += [relay.program.out, relay.program.errors()]

    secrets = Secrets()
    for person in (ada, bo, cleo):
        secrets.learn(person.home.path)
    assert len(secrets.values) > 60
    words = [*NAMES, *(part for name in NAMES for part in name.split()), GROUP, *TEXTS, FILE_NAME, FILE_TEXT]
    words += ["Regatta", "tangerine", "harbour", "minutes", "clock at", "127.0.0.1"]
    places = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in (tmp_path / "relay").rglob("*")
        if path.is_file()
    }
    places |= {f"output {i}": text.encode() for i, text in enumerate(said)}
    places["names of files"] = "\n".join(places).encode()

    for word in words:
        for encoding in ("utf-8", "utf-16-le"):
            assert not found(word.encode(encoding), places), word
            assert not found(word.lower().encode(encoding), places), word
    for what, value in secrets.values.items():
        assert not found(value, places), what

    # The search does find: what a relay must know stands in its folder, and its own identity in what it says.
    for inbox in secrets.inboxes:
        assert "relay/relay.db" in [place for place in found(inbox, places) if place.endswith(".db")]
    own = parse_address(relay.address).relay
    assert (
        base64.b32encode(bytes(3) + own).lower()[5:-8] in places["output 0"]
    )  # in base32, inside the address
    assert "output 0" in found(own, places)
    assert len([place for place in places if place.startswith("relay/blobs")]) >= 5


@pytest.mark.parametrize("before", range(6))
def test_the_search_sees_through_every_encoding(before: int) -> None:
    secret = os.urandom(16)
    around = os.urandom(before) + secret + os.urandom(7)
    for encode in (bytes, bytes.hex, base64.b64encode, base64.urlsafe_b64encode, base64.b32encode):
        data = encode(around)
        data = data.encode() if isinstance(data, str) else data
        assert found(secret, {"there": data, "not there": os.urandom(100)}) == ["there"]
    assert found(secret, {"there": base64.b32encode(around).lower()}) == ["there"]
