"""XMPP with OMEMO: Prosody, and two clients of slixmpp with slixmpp-omemo in a Python environment of their own.

They are nothing that Whimbrel needs or ships, so they are installed on demand, beside everything else, in .setup/omemo.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from .debian import Absent
from .prosody import Prosody

PACKAGES = ("slixmpp==1.17.0", "slixmpp-omemo==2.2.0")
ENVIRONMENT = Path(__file__).parents[2] / ".setup" / "omemo"


def message_bytes(text: str, times: int) -> tuple[list[tuple[int, int]], dict[str, str | None]]:
    """Bytes up and down of each of so many messages, TLS records included; and the versions. Raises Absent, Failed."""
    python = _environment()
    with tempfile.TemporaryDirectory() as folder:
        server = Prosody(Path(folder), None, ["ada", "bo"])
        try:
            ran = subprocess.run(
                [
                    python,
                    "-I",
                    Path(__file__).with_name("omemo_client.py"),
                    str(server.secure_port),
                    str(times),
                    text,
                ],
                capture_output=True,
                text=True,
                timeout=180,
                check=False,
            )
        finally:
            server.stop()
        if ran.returncode != 0:
            raise Absent(f"OMEMO: the clients fail: {(ran.stderr.strip().splitlines() or ['?'])[-1]}")
        versions = dict(package.split("==") for package in PACKAGES)
        return [(up, down) for up, down in json.loads(ran.stdout)], server.versions | versions


def _environment() -> Path:
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / "installed"
    if stamp.exists() and stamp.read_text() == "\n".join(PACKAGES):
        return python
    print(f"  (installing {' and '.join(PACKAGES)})", flush=True)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
    ):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise Absent(f"OMEMO: {' '.join(PACKAGES)} cannot be installed by pip")
    stamp.write_text("\n".join(PACKAGES))
    return python
