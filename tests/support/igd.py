"""A home's router for tests: a true SSDP responder and SOAP server of an Internet Gateway Device, on loopback, that notes what it is asked.

What it answers is what miniupnpd 2.3 answers, as far as anything here asks; each of its moods is one that routers have.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from aiohttp import web
from defusedxml import ElementTree

ROOT = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"

ARGUMENTS = {
    "GetExternalIPAddress": ([], ["ExternalIPAddress"]),
    "GetSpecificPortMappingEntry": (
        ["RemoteHost", "ExternalPort", "Protocol"],
        ["InternalPort", "InternalClient", "Enabled", "PortMappingDescription", "LeaseDuration"],
    ),
    "AddPortMapping": (
        [
            "RemoteHost",
            "ExternalPort",
            "Protocol",
            "InternalPort",
            "InternalClient",
            "Enabled",
            "PortMappingDescription",
            "LeaseDuration",
        ],
        [],
    ),
    "DeletePortMapping": (["RemoteHost", "ExternalPort", "Protocol"], []),
}
TYPES = {
    "ExternalPort": "ui2",
    "InternalPort": "ui2",
    "Enabled": "boolean",
    "LeaseDuration": "ui4",
}


@dataclass
class Igd:
    """`external`: its address outside. `taken`: (port, protocol) that lead to somebody else. `refuses`: the code of an error of each action."""

    external: str = "203.0.113.7"
    mappings: dict[int, dict[str, str]] = field(default_factory=dict)
    refuses: dict[str, int] = field(default_factory=dict)
    permanent_only: bool = False
    elsewhere: str = ""
    """The address that it names as its own description's, in place of where it is."""
    redirect: str = ""
    padding: int = 0
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    searched: list[str] = field(default_factory=list)
    search_port: int = 0
    port: int = 0

    # ------------------------------------------------------------------------------------ what it says

    def description(self) -> str:
        return (
            f"""<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>
<device><deviceType>{ROOT}</deviceType><friendlyName>router</friendlyName><manufacturer>x</manufacturer><modelName>x</modelName><UDN>uuid:1</UDN>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType><friendlyName>wan</friendlyName><manufacturer>x</manufacturer>
<modelName>x</modelName><UDN>uuid:2</UDN><deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType>
<friendlyName>connection</friendlyName><manufacturer>x</manufacturer><modelName>x</modelName><UDN>uuid:3</UDN>
<serviceList><service><serviceType>{SERVICE}</serviceType><serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>
<controlURL>/control</controlURL><eventSubURL>/events</eventSubURL><SCPDURL>/service.xml</SCPDURL></service></serviceList>
</device></deviceList></device></deviceList></device></root>"""
            + " " * self.padding
        )

    def service(self) -> str:
        actions, variables = "", ""
        names: set[str] = set()
        for action, (given, told) in ARGUMENTS.items():
            arguments = ""
            for direction, which in (("in", given), ("out", told)):
                for name in which:
                    names.add(name)
                    arguments += (
                        f"<argument><name>New{name}</name><direction>{direction}</direction>"
                        f"<relatedStateVariable>{name}</relatedStateVariable></argument>"
                    )
            actions += f"<action><name>{action}</name><argumentList>{arguments}</argumentList></action>"
        for name in sorted(names):
            variables += f'<stateVariable sendEvents="no"><name>{name}</name><dataType>{TYPES.get(name, "string")}</dataType></stateVariable>'
        return (
            '<?xml version="1.0"?><scpd xmlns="urn:schemas-upnp-org:service-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>'
            f"<actionList>{actions}</actionList><serviceStateTable>{variables}</serviceStateTable></scpd>"
        )

    def act(self, action: str, given: dict[str, str]) -> dict[str, str] | int:
        """What it answers, or the code of an error."""
        self.asked.append((action, given))
        if action in self.refuses:
            return self.refuses[action]
        outside = int(given.get("NewExternalPort", "0"))
        if action == "GetExternalIPAddress":
            return {"NewExternalIPAddress": self.external}
        if action == "GetSpecificPortMappingEntry":
            return self.mappings.get(outside, 714)
        if action == "AddPortMapping":
            if self.permanent_only and given["NewLeaseDuration"] != "0":
                return 725
            kept = ("InternalPort", "InternalClient", "Enabled", "PortMappingDescription", "LeaseDuration")
            self.mappings[outside] = {f"New{name}": given[f"New{name}"] for name in kept}
            return {}
        return {} if self.mappings.pop(outside, None) else 714

    # ------------------------------------------------------------------------------------- how it says it

    async def _page(self, request: web.Request) -> web.Response:
        if self.redirect:
            raise web.HTTPFound(self.redirect)
        text = self.description() if request.path == "/root.xml" else self.service()
        return web.Response(text=text, content_type="text/xml")

    async def _control(self, request: web.Request) -> web.Response:
        body = ElementTree.fromstring(await request.text())
        [call] = list(body.find("{http://schemas.xmlsoap.org/soap/envelope/}Body"))
        name = call.tag.rpartition("}")[2]
        assert request.headers["SOAPAction"] == f'"{SERVICE}#{name}"'
        answer = self.act(name, {argument.tag: argument.text or "" for argument in call})
        if isinstance(answer, int):
            said = (
                "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>"
                '<UPnPError xmlns="urn:schemas-upnp-org:control-1-0">'
                f"<errorCode>{answer}</errorCode><errorDescription>no</errorDescription></UPnPError></detail></s:Fault>"
            )
        else:
            inner = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in answer.items())
            said = f'<u:{name}Response xmlns:u="{SERVICE}">{inner}</u:{name}Response>'
        envelope = (
            '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
            f's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>{said}</s:Body></s:Envelope>'
        )
        return web.Response(
            text=envelope, content_type="text/xml", status=500 if isinstance(answer, int) else 200
        )

    @asynccontextmanager
    async def running(self, host: str = "127.0.0.1") -> AsyncIterator[Igd]:
        app = web.Application()
        app.router.add_get("/root.xml", self._page)
        app.router.add_get("/service.xml", self._page)
        app.router.add_post("/control", self._control)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, host, 0)
        await site.start()
        self.port = runner.addresses[0][1]
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Responder(self, host), local_addr=(host, 0)
        )
        self.search_port = transport.get_extra_info("sockname")[1]
        try:
            yield self
        finally:
            transport.close()
            await runner.cleanup()


class _Responder(asyncio.DatagramProtocol):
    def __init__(self, igd: Igd, host: str) -> None:
        self._igd = igd
        self._host = host

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        headers = dict(
            line.split(": ", 1) if ": " in line else line.split(":", 1)
            for line in data.decode().split("\r\n")[1:]
            if ":" in line
        )
        wanted = headers.get("ST", "")
        self._igd.searched.append(wanted)
        if not data.startswith(b"M-SEARCH * HTTP/1.1\r\n") or wanted != ROOT:
            return
        place = self._igd.elsewhere or f"http://{self._host}:{self._igd.port}/root.xml"
        self._transport.sendto(
            f"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: {ROOT}\r\nUSN: uuid:1::{ROOT}\r\nEXT:\r\n"
            f"SERVER: x UPnP/1.1 x\r\nLOCATION: {place}\r\n\r\n".encode(),
            address,
        )
