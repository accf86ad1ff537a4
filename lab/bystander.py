"""Somebody who stands by: browses as a browser does, and goes to the relay as a plain client does. What they see are the controls of a
run. One process in a person's namespace for as long as the city stands, since a Python that starts anew takes more of the machine than
all that it is asked to do; each question has a hello, a connection and a look at the resolver of its own.

Answers on a Unix socket, a line of JSON for a line of JSON, several connections at once:

    browse (urls)                 by URL what `browse.look` says
    chat (name, path, patience)   `plain.chat`
    get (url, patience)           `plain.get`

    python -m lab.bystander SOCKET
"""

from __future__ import annotations

import asyncio
import json
import socketserver
import sys
from typing import Any

from lab import browse, plain


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """What is seen; `error` where the question cannot be understood."""
    match asked:
        case {"do": "browse", "urls": [*urls]}:
            return {url: browse.look(url) for url in urls}
        case {"do": "chat", "name": str(name), "path": str(path), "patience": patience}:
            return asyncio.run(plain.chat(name, path, patience))
        case {"do": "get", "url": str(url), "patience": patience}:
            return plain.get(url, patience)
    return {"error": "nobody here knows what that means"}


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(json.dumps(answer(json.loads(line))).encode() + b"\n")


class _Ear(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def main() -> None:
    with _Ear(sys.argv[1], _Conversation) as ear:
        print(json.dumps({"ready": True}), flush=True)
        ear.serve_forever()


if __name__ == "__main__":
    main()
