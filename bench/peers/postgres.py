"""PostgreSQL in a folder: what ejabberd's archive is kept in, as its operators do.

Every commit is on disk before it is answered (fsync and synchronous_commit on, the defaults). Given more than the
defaults: memory, and checkpoints so far apart that none falls into a run.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .debian import Absent, need, version
from .process import Server, free_port

SETTINGS = {
    "listen_addresses": "'127.0.0.1'",
    "unix_socket_directories": "''",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "max_connections": "60",
    "logging_collector": "off",
}


class Postgres:
    """A cluster of its own, one database for ejabberd, no password (it listens on loopback alone)."""

    def __init__(self, folder: Path, core: int | None, schema: Path) -> None:
        need("postgresql-15")
        programs = Path("/usr/lib/postgresql/15/bin")
        if not (programs / "postgres").exists():
            raise Absent("postgresql-15 has no programs where Debian puts them")
        self.port = free_port()
        # It refuses to run as root.
        user = "postgres" if os.geteuid() == 0 else None
        folder.mkdir()
        if user is not None:
            shutil.chown(folder, user, user)
        data = folder / "data"
        run = {"check": True, "capture_output": True, "cwd": folder, "user": user}
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "ejabberd", "-A", "trust", "-E", "UTF8", "--locale=C"],
            **run,
        )
        with (data / "postgresql.conf").open("a") as config:
            config.writelines(f"{name} = {value}\n" for name, value in SETTINGS.items())
            config.write(f"port = {self.port}\n")
        output = folder / "output.log"
        output.touch()
        self.server = Server(folder, [programs / "postgres", "-D", data], core, user=user)
        self.server.wait_for(self.port)
        ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        for _ in range(200):
            if subprocess.run(ready, check=False).returncode == 0:
                break
            time.sleep(0.05)
        ask = [programs / "psql", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "ejabberd"]
        subprocess.run([*ask, "-d", "postgres", "-c", "create database ejabberd"], **run)
        subprocess.run([*ask, "-d", "ejabberd", "-f", schema], **run)
        self.version = version("postgresql-15")
        self._ask = ask

    def count(self, table: str) -> int:
        """Rows of a table."""
        asked = [*self._ask, "-d", "ejabberd", "-A", "-t", "-c", f"select count(*) from {table}"]
        return int(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)

    def stop(self) -> None:
        self.server.stop(signal.SIGINT)
