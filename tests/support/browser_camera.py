"""What a camera sees, for tests: a film of one picture, a QR code, in the format that Chromium takes for its fake camera."""

from __future__ import annotations

from pathlib import Path

import segno

SIDE = 640


def film_of_code(text: str, path: Path, frames: int = 2) -> Path:
    """A film (YUV4MPEG2, 4:2:0) that shows the code of a text, dark on light, with room around it."""
    rows = [list(row) for row in segno.make(text, error="l", micro=False).matrix_iter(border=4)]
    scale = SIDE // len(rows)
    edge = (SIDE - scale * len(rows)) // 2
    light, dark = 235, 16
    picture = bytearray([light]) * (SIDE * SIDE)
    for y, row in enumerate(rows):
        line = b"".join(bytes([dark if cell else light]) * scale for cell in row)
        for n in range(scale):
            at = (edge + y * scale + n) * SIDE + edge
            picture[at : at + len(line)] = line
    grey = bytes([128]) * (SIDE * SIDE // 2)
    with path.open("wb") as film:
        film.write(f"YUV4MPEG2 W{SIDE} H{SIDE} F10:1 Ip A1:1 C420jpeg\n".encode())
        for _ in range(frames):
            film.write(b"FRAME\n" + bytes(picture) + grey)
    return path
