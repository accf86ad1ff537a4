"""What Chromium says inside TLS when a page of its own server opens a WebSocket or posts something: the headers and their order.

Only who ends the TLS sees them (a relay, a bridge, a CDN); a CDN compares them with the hello.
`tests/transports/test_fingerprint.py` compares them with the real one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

VERSION: Final = "156"
"""As the hello in `browser.py`."""
_SYSTEMS: Final = {
    "win32": ("Windows NT 10.0; Win64; x64", "Windows"),
    "darwin": ("Macintosh; Intel Mac OS X 10_15_7", "macOS"),
}
_SYSTEM, _PLATFORM = _SYSTEMS.get(sys.platform, ("X11; Linux x86_64", "Linux"))
USER_AGENT: Final = (
    f"Mozilla/5.0 ({_SYSTEM}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{VERSION}.0.0.0 Safari/537.36"
)
LANGUAGES: Final = "en-US,en;q=0.9"
"""The most usual; a person's own would tell who it is."""
ENCODINGS: Final = "gzip, deflate, br, zstd"

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is posted, and where. `host`: as in the Host header, with the port where it is not the usual one. `kind`, `accept`:
    the media types of what goes and of what may come. `answer_max`: bytes of the largest answer."""

    host: str
    path: str
    kind: str
    accept: str
    answer_max: int


def upgrade_headers(host: str, key: str) -> Headers:
    """For a WebSocket to `host` (with its port, where it is not the usual one)."""
    return [
        ("Host", host),
        ("Connection", "Upgrade"),
        ("Pragma", "no-cache"),
        ("Cache-Control", "no-cache"),
        ("User-Agent", USER_AGENT),
        ("Upgrade", "websocket"),
        ("Origin", f"https://{host}"),
        ("Sec-WebSocket-Version", "13"),
        ("Accept-Encoding", ENCODINGS),
        ("Accept-Language", LANGUAGES),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
    ]


POST_ORDER: Final = (
    "Host,Connection,Content-Length,sec-ch-ua-platform,User-Agent,sec-ch-ua,Content-Type,sec-ch-ua-mobile,Accept,"
    "Origin,Sec-Fetch-Site,Sec-Fetch-Mode,Sec-Fetch-Dest,Referer,Accept-Encoding,Accept-Language"
)


def post_headers(host: str, kind: str, accept: str) -> Headers:
    """For a POST of a kind (a media type) by a script of the page at `host`. Its length and what may be compressed come from
    curl, which puts all of them into POST_ORDER."""
    return [
        ("Host", host),
        ("Connection", "keep-alive"),
        ("sec-ch-ua-platform", f'"{_PLATFORM}"'),
        ("User-Agent", USER_AGENT),
        ("sec-ch-ua", f'"Not:A-Brand";v="8", "Chromium";v="{VERSION}"'),
        ("Content-Type", kind),
        ("sec-ch-ua-mobile", "?0"),
        ("Accept", accept),
        ("Origin", f"https://{host}"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Dest", "empty"),
        ("Referer", f"https://{host}/"),
        ("Accept-Language", LANGUAGES),
    ]
