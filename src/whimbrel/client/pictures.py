"""What is a picture, by its first bytes: a group's picture comes from whoever may change the group."""

from __future__ import annotations

from typing import Final

# The beginnings of what browsers show as a picture and what cannot carry a script.
_KINDS: Final = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


def kind_of_picture(data: bytes) -> str | None:
    """Its type; None for what is no picture that is shown."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _KINDS if data.startswith(start)), None)
