"""Shadowsocks-2022 by sing-box."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping

from lab.city import City
from lab.peers.tunnels.sing_box import SingBox


class Shadowsocks(SingBox):
    name = "shadowsocks"
    title = "Shadowsocks-2022"
    about = "sing-box on both sides, 2022-blake3-aes-128-gcm on port 8388, as its documentation has it. It begins with random bytes."
    files = ("shadowsocks-server.json", "shadowsocks-client.json")

    def secrets(self, city: City) -> tuple[Mapping[str, object], Mapping[str, object]]:
        both = {"password": base64.b64encode(secrets.token_bytes(16)).decode()}
        return both, both
