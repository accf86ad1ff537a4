"""The packages that the peers come from: installed when this is root on Debian, otherwise named with the command."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


class Absent(Exception):
    """A peer cannot be had here; says why, and the command that would bring it."""


def need(*packages: str) -> None:
    """See to it that these packages are there. Raises Absent.

    Services that a package brings are kept from starting the way the system says (policy-rc.d, exit code 101); where
    the system has no such policy they start, so the command is only named there, not run.
    """
    missing = [package for package in packages if version(package) is None]
    if not missing:
        return
    command = "apt-get install --no-install-recommends " + " ".join(missing)
    if not shutil.which("apt-get"):
        raise Absent(f"{', '.join(missing)}: not here, and this is no Debian")
    if os.geteuid() != 0 or not Path("/usr/sbin/policy-rc.d").exists():
        raise Absent(f"not installed; as root: {command}")
    print(f"  (installing {', '.join(missing)})", flush=True)
    ran = subprocess.run(
        [*command.split(), "-y", "-qq"],
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        last = (ran.stderr.strip() or "apt-get failed").splitlines()[-1]
        raise Absent(f"{command}: {last}")


def version(package: str) -> str | None:
    """The installed version of a package; None when it is not installed (or this is no Debian)."""
    if not shutil.which("dpkg-query"):
        return None
    ran = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Version}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    status, _, found = ran.stdout.partition(" ")
    return found if ran.returncode == 0 and status == "installed" else None
