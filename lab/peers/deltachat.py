"""Delta Chat: its core as `deltachat-rpc-server`, and a mail server of postfix and dovecot after that of chatmail."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lab import world
from lab.city import City
from lab.namespaces import LabError
from lab.peers import config
from lab.peers.peer import Correspondent, Peer
from lab.peers.person import PipedPerson
from lab.peers.programs import Programs, lacking
from lab.people import until

HOST = world.MAIL
NAME = next(iter(HOST.names))
_IMAP, _SMTP = 993, 465
_PASSWORD = "correct horse battery staple"
_TALKED_S = 20.0


class DeltaChat(Peer):
    name = "deltachat"
    title = "Delta Chat"
    about = (
        "deltachat-rpc-server, and a mail server of postfix (465) and dovecot (993) after that of chatmail, by name over TLS. Its core has"
        " its own list of authorities, so that it is told to take the city's certificates as they are."
    )
    by_hand = "get an account on another mail server, and tell the others its address"
    place = 40
    patience = 75.0  # its core takes a connection for dead after 60 s

    def missing(self) -> str | None:
        for package in ("deltachat_rpc_server", "deltachat_rpc_client"):
            if importlib.util.find_spec(package) is None:
                return f"the package {package.replace('_', '-')} (`make .setup/peers` installs it)"
        return lacking("postfix", "dovecot")

    def configs(self) -> Mapping[str, str]:
        return {
            name: config.template(name) for name in ("postfix-main.cf", "postfix-master.cf", "dovecot.conf")
        }

    @contextmanager
    def people(self, city: City, mark: str) -> Iterator[tuple[Correspondent, Correspondent]]:
        names = {place: f"{place.capitalize()}{mark}" for place in ("ada", "bo")}
        with Programs(city) as programs:
            _serve(city, programs, [name.lower() for name in names.values()])
            folder = programs.folder("deltachat")
            pair = []
            for place, name in names.items():
                home = folder / place
                client = ["lab.peers.clients.deltachat_client", str(home), f"{name.lower()}@{NAME}"]
                one = PipedPerson(city, place, name, self.name, [*client, _PASSWORD, NAME], folder)
                programs.until_the_end.callback(one.stop)
                pair.append(one)
            for one in pair:
                one.wait_until_up()
            _introduce(*pair)
            yield pair[0], pair[1]


def _introduce(one: PipedPerson, other: PipedPerson) -> None:
    """They have each other's cards, and a first message went each way."""
    for person, friend in ((one, other), (other, one)):
        person.tell(card=next(told["card"] for told in friend.came if "card" in told))
    for person, friend in ((one, other), (other, one)):
        text = f"{person.name} is here"
        person.say(friend.name, text)
        end = time.monotonic() + _TALKED_S
        while not any(message.text == text for message in friend.arrived):
            if time.monotonic() > end:
                raise LabError(f"{friend.name} got nothing of {person.name} by Delta Chat")
            time.sleep(0.02)


def _serve(city: City, programs: Programs, people: list[str]) -> None:
    """postfix and dovecot. Their own users have to find the folder of the run, which else is the lab's alone."""
    os.chmod(city.folder, 0o711)
    programs.until_the_end.callback(os.chmod, city.folder, 0o700)
    folder = programs.folder("mail")
    issued = city.authority.issue(HOST.name, [*HOST.names], HOST.addresses)
    for name in ("queue", "queue/private", "postfix-data", "mail", "run", "state"):
        (folder / name).mkdir()
    users = folder / "users"
    users.write_text("".join(f"{name}@{NAME}:{{PLAIN}}{_PASSWORD}\n" for name in people))
    values = {"folder": folder, "chain": issued.chain, "key": issued.key}
    dovecot = config.write(folder, "dovecot.conf", **values)
    etc = folder / "postfix"
    etc.mkdir()
    (etc / "main.cf").write_text(config.filled("postfix-main.cf", name=NAME, **values))
    (etc / "master.cf").write_text(config.filled("postfix-master.cf"))
    _owned_by("mail", folder / "mail")
    for name in ("postfix-data", "queue/private"):
        _owned_by("postfix", folder / name)
    mail = programs.start("dovecot", HOST.name, ["dovecot", "-F", "-c", dovecot])
    programs.until_listening(mail, HOST.name, _IMAP)
    until(lambda: (folder / "queue" / "private" / "dovecot-lmtp").exists(), "dovecot takes no mail")
    post = programs.start("postfix", HOST.name, ["postfix", "-c", etc, "start-fg"])
    programs.until_listening(post, HOST.name, _SMTP)


def _owned_by(user: str, path: Path) -> None:
    import pwd

    entry = pwd.getpwnam(user)
    os.chown(path, entry.pw_uid, entry.pw_gid)


PEERS = (DeltaChat(),)
