"""What a request must bring before anything answers it.

Three things stand between the API and everything else that runs on the machine or in the browser:

- *The cookie.* The link that the app prints has a token that works once; it is turned into a cookie that scripts cannot
  read. Cookies do not know ports, so its name holds an id of the home: two homes do not overwrite each other's.
- *The header.* A second secret is given away with the token's answer and never again, in the fragment of a url, which
  a browser keeps to itself. The page stores it under its origin, port included, and sends it in `X-Whimbrel`. Another
  program on another port of 127.0.0.1 is sent our cookie by the browser; with that alone nothing here answers to it.
- *Host and Origin.* A name of the network that was pointed at 127.0.0.1 (DNS rebinding) is another Host; a web site
  that sends something here is another Origin. Both are refused, and nothing is ever allowed across origins.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from whimbrel.client.windows import Windows

HEADER = "X-Whimbrel"
COOKIE_LIFE = 400 * 24 * 3600
"""Seconds: what browsers keep a cookie for at most (RFC 6265bis, 5.5); each visit begins it anew."""


class Gate:
    """The doors of one app."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows

    def check_origin(self, request: web.Request) -> None:
        """Only this origin, under its own names. A browser names the origin of whatever may change something."""
        host, _, port = request.host.rpartition(":")
        listening = request.transport.get_extra_info("sockname") if request.transport else None
        if host not in ("127.0.0.1", "localhost") or listening is None or port != str(listening[1]):
            raise web.HTTPMisdirectedRequest(text="This is not an address of Whimbrel.\n")
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{request.host}":
            raise web.HTTPForbidden(text="Another site cannot use Whimbrel.\n")
        site = request.headers.get("Sec-Fetch-Site", "none")
        if site not in ("none", "same-origin") and not _is_link(request):
            raise web.HTTPForbidden(text="Another site cannot use Whimbrel.\n")

    def has_cookie(self, request: web.Request) -> bool:
        return self.windows.is_cookie(request.cookies.get(self.windows.cookie_name, ""))

    def has_header(self, request: web.Request) -> bool:
        return self.windows.is_header(request.headers.get(HEADER, ""))

    def has_ticket(self, request: web.Request) -> bool:
        """For what a browser fetches without our header: a film, a download. The cookie comes with it."""
        ticket, file = request.query.get("ticket"), request.match_info.get("file")
        if ticket is None or file is None or request.method != "GET":
            return False
        return self.windows.is_ticket(ticket, _bytes(file), asyncio.get_running_loop().time())

    def admit(self, response: web.StreamResponse) -> None:
        response.set_cookie(
            self.windows.cookie_name,
            self.windows.cookie,
            path="/",
            max_age=COOKIE_LIFE,
            httponly=True,
            samesite="Strict",
        )

    def enter(self, request: web.Request) -> web.StreamResponse | None:
        """The answer to a link with a token; None when the token is none (any more).

        It is a page that goes on by itself, not a redirect: when somebody pressed the link on another site's page, a browser
        would not send the new cookie to where a redirect leads. So the token leaves the address bar, and the page
        takes the second secret out of it.
        """
        if not self.windows.spend(request.query["token"]):
            return None
        response = web.Response(text=_GOES_ON.format(self.windows.header), content_type="text/html")
        self.admit(response)
        return response


_GOES_ON = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Whimbrel</title><link rel="icon" href="/icon.svg"><meta http-equiv="refresh" content="0;url=/#{}"></head>
<body></body>
</html>
"""


def _is_link(request: web.Request) -> bool:
    """Somebody pressed a link to the app, say in a mail with the url: they see the page, the site that had it nothing."""
    return (
        request.method == "GET"
        and request.path == "/"
        and request.headers.get("Sec-Fetch-Mode") == "navigate"
    )


def _bytes(hexadecimal: str) -> bytes:
    try:
        return bytes.fromhex(hexadecimal)
    except ValueError:
        return b""
