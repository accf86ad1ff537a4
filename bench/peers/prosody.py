"""Prosody of Debian 12, with the modules that its own configuration enables for chat; no archive.

In its favour: no TLS, plain passwords, no limits on traffic, the epoll back end, errors only in the log. Accounts are
written into its data folder before it starts.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .debian import need, version
from .process import Server, free_port

CONFIG = """
run_as_root = true
daemonize = false
pidfile = "{folder}/prosody.pid"
data_path = "{data}"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{ {secure_port} }}
c2s_direct_tls_ssl = {{ certificate = "{folder}/cert.pem"; key = "{folder}/key.pem" }}
s2s_ports = {{ }}
http_ports = {{ }}
https_ports = {{ }}
network_backend = "epoll"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = "internal"
log = {{ error = "{folder}/prosody.log" }}
gc = {{ mode = "incremental", threshold = 150, speed = 200 }}
modules_enabled = {{
  "disco"; "roster"; "saslauth"; "tls"; "blocklist"; "bookmarks"; "carbons"; "pep"; "private"; "smacks";
  "vcard4"; "vcard_legacy"; "csi_simple"; "ping"; "time"; "uptime"; "version"; "posix";
}}
modules_disabled = {{ "s2s"; "offline" }}
VirtualHost "localhost"
"""


class Prosody:
    """One process; `users` are its accounts, with their names as passwords."""

    name = "prosody"

    def __init__(self, folder: Path, core: int | None, users: list[str]) -> None:
        need("prosody")
        program = shutil.which("prosody") or "/usr/bin/prosody"
        data = folder / "data"
        accounts = data / "localhost" / "accounts"
        accounts.mkdir(parents=True)
        for user in users:
            (accounts / f"{user}.dat").write_text(f'return {{\n\t["password"] = "{user}";\n}};\n')
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-subj", "/CN=localhost", "-days", "2", "-out", folder / "cert.pem", "-keyout", folder / "key.pem"],
            check=True,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.port, self.secure_port = free_port(), free_port()
        config = folder / "prosody.cfg.lua"
        config.write_text(
            CONFIG.format(folder=folder, data=data, port=self.port, secure_port=self.secure_port)
        )
        # Root owns what this run makes; prosody would rather be somebody else, but its folder is a new one anyway.
        self.server = Server(folder, [program, "--config", config, "-F"], core, {"HOME": str(folder)})
        self.server.wait_for(self.port)

    @property
    def versions(self) -> dict[str, str | None]:
        return {"prosody": version("prosody"), "lua5.4": version("lua5.4")}

    def pids(self) -> list[int]:
        return self.server.pids()

    def stop(self) -> None:
        self.server.stop()
