"""ejabberd of Debian 12, with the modules that a personal chat needs, and with its archive in PostgreSQL or without one.

In its favour: no TLS, plain passwords in its own memory-resident tables, no traffic shaping, no logging of stanzas, a pool
of ten connections to the database. Server and database share the one core. The archive (XEP-0313) is on for everybody: a
message is stored twice, once for each side, as the protocol wants it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from .debian import need, version
from .postgres import Postgres
from .process import Server, free_port

SCHEMA = Path("/usr/share/ejabberd/sql/pg.sql")
CONFIG = """
hosts: [localhost]
loglevel: error
log_rotate_count: 0
certfiles: [{certificate}]
auth_method: internal
auth_password_format: plain
registration_timeout: infinity
trusted_proxies: []
listen:
  - port: {port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    shaper: none
    access: all
    starttls: false
  - port: {secure_port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    shaper: none
    access: all
    tls: true
access_rules:
  register:
    allow: all
shaper_rules:
  max_user_sessions: infinity
  max_user_offline_messages: 5000
modules:
  mod_register:
    ip_access: all
    access: register
    welcome_message: {{subject: "", body: ""}}
  mod_roster: {{}}
  mod_offline: {{}}
  mod_carboncopy: {{}}
  mod_stream_mgmt: {{}}
  mod_disco: {{}}
  mod_caps: {{}}
  mod_pubsub:
    plugins: [flat, pep]
    force_node_config:
      "eu.siacs.conversations.axolotl.*":
        access_model: open
  mod_ping: {{}}
  mod_vcard: {{}}
{more}
"""
ARCHIVE = """
  mod_mam:
    db_type: sql
    default: always
    assume_mam_usage: true
sql_type: pgsql
sql_server: "127.0.0.1"
sql_port: {port}
sql_database: ejabberd
sql_username: ejabberd
sql_password: ""
sql_pool_size: 10
"""


class Ejabberd:
    """One node, without Erlang's distribution."""

    def __init__(self, folder: Path, core: int | None, archive: bool = False) -> None:
        need("ejabberd", *(("postgresql-15", "erlang-p1-pgsql") if archive else ()))
        self.name = "ejabberd" + (" + mod_mam on PostgreSQL" if archive else "")
        # The database's own user has to get through to its folder.
        folder.chmod(0o755)
        self.postgres = Postgres(folder / "postgres", core, SCHEMA) if archive else None
        self.port, self.secure_port = free_port(), free_port()
        certificate = folder / "ejabberd.pem"
        shutil.copy("/etc/ejabberd/ejabberd.pem", certificate)
        more = ARCHIVE.format(port=self.postgres.port) if self.postgres else ""
        config = folder / "ejabberd.yml"
        config.write_text(
            CONFIG.format(port=self.port, secure_port=self.secure_port, certificate=certificate, more=more)
        )
        spool = folder / "spool"
        spool.mkdir()
        # As Debian's ejabberdctl starts it, but with no name on the network and nothing of its defaults in /etc.
        self.server = Server(
            folder,
            ["/usr/bin/erl", "+K", "true", "+P", "250000", "-noinput", "-noshell",
             "-mnesia", "dir", f'"{spool}"', "-s", "ejabberd"],
            core,
            {
                "EJABBERD_CONFIG_PATH": str(config),
                "EJABBERD_LOG_PATH": str(folder / "ejabberd.log"),
                "ERL_LIBS": "/usr/lib/x86_64-linux-gnu",
                "ERL_MAX_PORTS": "32000",
                "ERL_MAX_ETS_TABLES": "1400",
                "ERL_CRASH_DUMP": "/dev/null",
                "HOME": str(folder),
            },
        )  # fmt: skip
        self.server.wait_for(self.port)

    @property
    def versions(self) -> dict[str, str | None]:
        found = {"ejabberd": version("ejabberd"), "erlang-base": version("erlang-base")}
        if self.postgres is not None:
            found |= {"postgresql-15": self.postgres.version, "erlang-p1-pgsql": version("erlang-p1-pgsql")}
        return found

    def pids(self) -> list[int]:
        return self.server.pids() + (self.postgres.server.pids() if self.postgres else [])

    def archived(self) -> int | None:
        """Rows in the archive; None without one."""
        return None if self.postgres is None else self.postgres.count("archive")

    def stop(self) -> None:
        self.server.stop()
        if self.postgres is not None:
            self.postgres.stop()
