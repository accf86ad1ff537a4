"""A Delta Chat client of deltachat-rpc-server and its Python client. All that is said goes through Delta Chat's own queue.

    python -m lab.peers.clients.deltachat_client FOLDER ada@mail.example password HOST

Lines of JSON on stdin: {"card": vcard of the other one}, {"say": …}, {"file": path}. Prints one for what happens: up (with one's own
vcard), arrived, acknowledged (the server has it), file.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from deltachat_rpc_client import DeltaChat, EventType, Rpc


def tell(**what: object) -> None:
    print(json.dumps({**what, "at": time.monotonic()}), flush=True)


def listen_to(account: Any, shown: set[int]) -> None:
    """Says what arrived and what the server took, for ever."""
    while True:
        event = account.wait_for_event()
        if event.kind == EventType.INCOMING_MSG or (event.kind == EventType.MSGS_CHANGED and event.msg_id):
            _show(account, event.msg_id, shown)
        elif event.kind == EventType.MSG_DELIVERED:
            text = account.get_message_by_id(event.msg_id).get_snapshot().text
            tell(acknowledged=text)
        elif event.kind in (EventType.WARNING, EventType.ERROR):
            print(event.msg, file=sys.stderr, flush=True)


def _show(account: Any, number: int, shown: set[int]) -> None:
    message = account.get_message_by_id(number).get_snapshot()
    if number in shown or message.is_info or message.from_id in (1, 2, 5):
        return
    if message.download_state != "Done":  # a large file is announced before it comes
        return
    shown.add(number)
    if message.file is not None:
        tell(file=message.file_name, path=message.file)
    elif message.text:
        tell(arrived=message.text)


def main() -> None:
    folder, address, password, host = sys.argv[1:]
    rpc = Rpc(
        accounts_dir=folder,
        rpc_server_path=str(Path(sys.executable).parent / "deltachat-rpc-server"),
        stderr=sys.stderr,
        process_group=None,
    )
    rpc.start()
    account: Any = DeltaChat(rpc).add_account()
    account.set_config("displayname", address.partition("@")[0])
    account.add_or_update_transport(
        {
            "addr": address,
            "password": password,
            "imapServer": host,
            "imapPort": 993,
            "imapSecurity": "ssl",
            "smtpServer": host,
            "smtpPort": 465,
            "smtpSecurity": "ssl",
            "certificateChecks": "acceptInvalidCertificates",
        }
    )
    account.bring_online()
    tell(up=True, card=account.self_contact.make_vcard())
    threading.Thread(target=listen_to, args=(account, set()), daemon=True).start()
    chat: Any = None
    for line in sys.stdin:
        asked = json.loads(line)
        if "card" in asked:
            [contact] = account.import_vcard(asked["card"])
            chat = contact.create_chat()
            chat.accept()
            tell(ready=True)
        elif chat is not None and "say" in asked:
            chat.send_text(asked["say"])
        elif chat is not None and "file" in asked:
            chat.send_file(asked["file"])


if __name__ == "__main__":
    main()
