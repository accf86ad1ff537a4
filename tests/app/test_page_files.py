"""Files through the page, over a real home: sealed while they come, and given out under safe types and names."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.neighbours import Neighbours, ask, neighbours, until
from whimbrel.app import file_routes, http
from whimbrel.app.file_routes import OTHER, OutOfRange, headers_of, range_of
from whimbrel.chat.attachments import STAGED
from whimbrel.client import uploads
from whimbrel.client.errors import ServiceError
from whimbrel.client.files import opened
from whimbrel.client.service import Service
from whimbrel.crypto.files import sealed_size

WORD = b"a word that nobody may find on the disk "


@dataclass
class Window:
    """A window of Ada's page, as far as files go."""

    service: Service
    base: str
    session: aiohttp.ClientSession
    street: Neighbours

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"X-Whimbrel": self.service.windows.header} | more

    async def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        async with self.session.get(self.base + path, headers=self._headers(headers)) as response:
            return response.status, dict(response.headers), await response.read()

    async def bare(self, path: str) -> int:
        """As a browser fetches a film or a download: with the cookie alone."""
        async with self.session.get(self.base + path) as response:
            return response.status

    async def put(
        self, data: bytes, name: str = "a.bin", type: str = "text/plain", **query: str
    ) -> tuple[int, Any]:
        async with self.session.post(
            f"{self.base}/files",
            params={"name": name, "type": type, **query},
            data=data,
            headers=self._headers({}),
        ) as response:
            return response.status, await response.json()

    def folder(self) -> list[Path]:
        return sorted(self.service.shell.home.folder("files").iterdir())

    def staged(self) -> list[str]:
        return [name for name in self.service.shell.home.database.facts() if name.startswith(STAGED)]

    async def received(self, tmp_path: Path, name: str, data: bytes) -> dict[str, Any]:
        """A file that Bo sent, whole on Ada's disk; its item."""
        path = tmp_path / "bo's" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        before = {row.id for row in self.service.shell.home.database.messages()}
        await ask(self.street.bo, "send", chat="Ada", files=[str(path)])
        database = self.service.shell.home.database

        def come() -> bytes | None:
            rows = [row.id for row in database.messages() if row.id not in before]
            return next((file.id for id in rows for file in database.files_of(id)), None)

        await until(lambda: come() is not None)
        id = (come() or b"").hex()
        await ask(self.service, "fetch_file", file=id)
        await until(lambda: (row := database.file(bytes.fromhex(id))) is not None and row.state == "here")
        return {"id": id}


@pytest.fixture
async def window(tmp_path: Path) -> AsyncIterator[Window]:
    async with neighbours(tmp_path) as street:
        service = street.ada
        listening = http.listen(0)
        page = http.Page(service, service.shell.home.path, service.windows, service.shelf)
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
            asyncio.TaskGroup() as tasks,
        ):
            server = tasks.create_task(http.serve(listening, page))
            await asyncio.sleep(0.01)
            base = f"http://127.0.0.1:{listening.getsockname()[1]}"
            async with session.get(f"{base}/?token={service.windows.link()}") as response:
                assert response.status == 200
            yield Window(service, base, session, street)
            server.cancel()


# ------------------------------------------------------------------------------------------------------ in


@pytest.mark.parametrize("size", [0, 1, 255, 65_535, 65_536, 65_537, 1_048_576, 3_000_001])
async def test_a_file_comes_in_sealed_and_can_be_sent(window: Window, size: int) -> None:
    data = (WORD * (size // len(WORD) + 1))[:size]
    status, answer = await window.put(data, "notes.txt")
    assert status == 201
    item = answer["item"]
    assert (item["name"], item["size"], item["type"]) == ("notes.txt", size, "text/plain")
    [sealed] = window.folder()
    assert sealed.stat().st_size == sealed_size(size)
    assert WORD not in sealed.read_bytes()
    assert window.service.uploads.content(item["upload"]) == data
    attachment = window.service.uploads.attachment(item["upload"], b"r" * 32)
    assert (attachment.relay, attachment.size, attachment.name) == (b"r" * 32, size, "notes.txt")


async def test_nothing_of_it_is_ever_on_the_disk_in_clear(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at after each piece, while it comes in."""
    home = window.service.shell.home.path
    monkeypatch.setattr(uploads, "AT_ONCE", 65_536)
    looked = []

    async def content() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield (WORD * 1639)[:65_536]
            await asyncio.sleep(0.01)
            for path in home.rglob("*"):
                if path.is_file() and path.stat().st_size:
                    looked.append(path)
                    assert WORD not in path.read_bytes(), path

    await window.service.uploads.take("a", "text/plain", 8 * 65_536, content())
    assert any(path.parent.name == "files" for path in looked)


async def test_what_is_cut_off_leaves_nothing(window: Window) -> None:
    host, _, port = window.base.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    cookie = f"{window.service.windows.cookie_name}={window.service.windows.cookie}"
    head = (
        f"POST /files?name=a.bin HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie}\r\n"
        f"X-Whimbrel: {window.service.windows.header}\r\nContent-Length: 5000000\r\n\r\n"
    )
    writer.write(head.encode() + os.urandom(2_000_000))
    await writer.drain()
    await until(lambda: bool(window.folder()))
    assert window.staged()
    writer.transport.abort()
    await until(lambda: not window.folder() and not window.staged())
    assert window.service.uploads._coming == 0
    del reader


async def test_who_says_nothing_more_is_given_up(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_routes, "SILENCE", 0.2)
    host, _, port = window.base.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    cookie = f"{window.service.windows.cookie_name}={window.service.windows.cookie}"
    head = (
        f"POST /files?name=a.bin HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie}\r\n"
        f"X-Whimbrel: {window.service.windows.header}\r\nContent-Length: 50\r\n\r\n"
    )
    writer.write(head.encode() + b"only this")
    answer = await asyncio.wait_for(reader.read(4000), 10)
    assert b" 400 " in answer.splitlines()[0]
    assert b"upload-cut-off" in answer
    writer.close()
    assert (window.folder(), window.staged()) == ([], [])


async def test_a_file_without_a_length_too_large_or_without_a_name_is_refused(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"some"

    headers = {"X-Whimbrel": window.service.windows.header}
    async with window.session.post(f"{window.base}/files?name=a", data=pieces(), headers=headers) as response:
        assert response.status == 411
    assert (await window.put(b"x", name=""))[0] == 409
    assert (await window.put(b"x", name="n" * 2000))[0] == 409
    monkeypatch.setattr(uploads, "FILE_MAX", 10)
    status, answer = await window.put(b"x" * 11)
    assert (status, answer["error"]["error"]) == (413, "file-too-large")
    assert (window.folder(), window.staged()) == ([], [])


async def test_a_chat_that_is_not_there_is_told_before_a_byte_is_kept(window: Window) -> None:
    status, answer = await window.put(b"x", chat="f" * 64)
    assert (status, answer["error"]["error"]) == (404, "not-found")
    assert (window.folder(), window.staged()) == ([], [])


async def test_too_many_that_wait_are_refused_and_forgotten_ones_are_swept(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "WAITING_MAX", 2)
    ids = [(await window.put(b"x"))[1]["item"]["upload"] for _ in range(2)]
    status, answer = await window.put(b"x")
    assert (status, answer["error"]["error"]) == (429, "too-many-files")
    await ask(window.service, "drop_upload", upload=ids[0])
    assert (len(window.folder()), len(window.staged())) == (1, 1)
    assert (await window.put(b"x"))[0] == 201
    monkeypatch.setattr(uploads, "LIFE", 0.0)
    await asyncio.sleep(0.01)
    window.service.uploads.sweep()
    assert (window.folder(), window.staged()) == ([], [])
    with pytest.raises(ServiceError):
        window.service.uploads.attachment(ids[1], b"")


async def test_what_waited_when_the_program_ended_is_swept_at_the_next_start(tmp_path: Path) -> None:
    async with Service.open(tmp_path / "ada", wait=0) as service:

        async def content() -> AsyncIterator[bytes]:
            yield b"x" * 100

        await service.uploads.take("a", "", 100, content())
        assert list((tmp_path / "ada" / "files").iterdir())
    async with Service.open(tmp_path / "ada", wait=0):
        assert list((tmp_path / "ada" / "files").iterdir()) == []


@pytest.mark.parametrize(
    ("said", "name", "kept"),
    [
        ("image/png", "a", "image/png"),
        ("Audio/WebM;codecs=opus", "a", "audio/webm"),
        ("", "a.jpg", "image/jpeg"),
        ("nonsense", "a.pdf", "application/pdf"),
        ("text/html\r\nX: y", "a", "application/octet-stream"),
        ("a/" + "b" * 300, "a", "application/octet-stream"),
    ],
)
async def test_a_type_is_kept_if_it_is_one(window: Window, said: str, name: str, kept: str) -> None:
    assert (await window.put(b"x", name, said))[1]["item"]["type"] == kept


async def test_what_came_in_is_sent_with_its_message_and_comes_out_at_the_other_side(window: Window) -> None:
    data = os.urandom(150_000)
    chat = next(c.id.hex() for c in window.service.person().chats.values() if c.name == "Bo")
    ids = [
        (await window.put(data, name, "image/png", chat=chat))[1]["item"]["upload"]
        for name in ("a.png", "b.png")
    ]
    assert len(window.staged()) == 2
    await ask(window.service, "send", chat=chat, text="two pictures", uploads=ids)
    assert window.staged() == []
    assert window.service.uploads._waiting == {}
    bo = window.street.bo
    await until(lambda: window.street.texts(bo, "Ada") == ["two pictures"])
    [message] = [row for row in bo.shell.home.database.messages() if row.text == "two pictures"]
    for file in bo.shell.home.database.files_of(message.id):
        await ask(bo, "fetch_file", file=file.id.hex())
        await until(lambda id=file.id: _state(bo, id) == "here")  # type: ignore[misc]
        stored = bo.shelf.stored(file.id.hex())
        assert b"".join(opened(stored.sealed, stored.key, stored.size, 0, stored.size)) == data
    # One's own is looked at from the copy that went up.
    [own] = [row for row in window.service.shell.home.database.messages() if row.text == "two pictures"]
    for file in window.service.shell.home.database.files_of(own.id):
        assert (await window.get(f"/files/{file.id.hex()}"))[2] == data
    with pytest.raises(ServiceError):
        await ask(window.service, "send", chat=chat, uploads=ids)


# ----------------------------------------------------------------------------------------------------- out


async def test_a_received_file_comes_out_whole_and_in_parts(window: Window, tmp_path: Path) -> None:
    data = os.urandom(200_001)
    item = await window.received(tmp_path, "film.mp4", data)
    path = f"/files/{item['id']}"
    status, headers, body = await window.get(path)
    assert (status, body == data, headers["Content-Type"]) == (200, True, "video/mp4")
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Cache-Control"] == "no-store"
    for asked, start, stop in (
        ("bytes=0-", 0, 200_001),
        ("bytes=0-0", 0, 1),
        ("bytes=65535-65536", 65_535, 65_537),
        ("bytes=65536-131071", 65_536, 131_072),
        ("bytes=100000-", 100_000, 200_001),
        ("bytes=-1", 200_000, 200_001),
        ("bytes=-999999", 0, 200_001),
        ("bytes=199999-999999", 199_999, 200_001),
    ):
        status, headers, body = await window.get(path, Range=asked)
        assert (status, body == data[start:stop]) == (206, True), asked
        assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/200001"
    for asked in ("bytes=200001-", "bytes=-0", "bytes=999999-1000000"):
        status, headers, body = await window.get(path, Range=asked)
        assert (status, headers["Content-Range"]) == (416, "bytes */200001"), asked
    for asked in ("bytes=5-4", "bytes=0-1,4-5", "chapters=1-2", "bytes=", "bytes=-"):
        assert (await window.get(path, Range=asked))[0] == 200, asked
    other = {"Range": "bytes=0-0", "If-Range": '"another"'}
    assert (await window.get(path, **other))[0] == 200


async def test_an_empty_file_comes_out_as_one(window: Window, tmp_path: Path) -> None:
    item = await window.received(tmp_path, "nothing.txt", b"")
    assert (await window.get(f"/files/{item['id']}"))[::2] == (200, b"")
    assert (await window.get(f"/files/{item['id']}", Range="bytes=0-"))[0] == 416


HOSTILE = {
    "evil.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "evil.html": b"<script>fetch('/api/chats')</script>",
    "evil.xhtml": b"<html xmlns='http://www.w3.org/1999/xhtml'><script>alert(1)</script></html>",
    "evil.xml": b"<?xml-stylesheet href='evil.xsl'?><a/>",
    "evil.pdf": b"%PDF-1.7",
    "evil.js": b"alert(1)",
    "evil.css": b"body { background: url(http://evil.example) }",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_can_run_scripts_is_never_shown_as_what_it_is(
    window: Window, tmp_path: Path, name: str
) -> None:
    item = await window.received(tmp_path, name, HOSTILE[name])
    status, headers, body = await window.get(f"/files/{item['id']}")
    assert (status, body) == (200, HOSTILE[name])
    assert headers["Content-Type"] == OTHER
    assert headers["Content-Disposition"].startswith("attachment;")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize(
    ("type", "shown"),
    [
        ("image/png", True),
        ("image/jpeg", True),
        ("image/gif", True),
        ("IMAGE/WebP", True),
        ("image/avif", True),
        ("audio/ogg; codecs=opus", True),
        ("video/webm", True),
        ("image/svg+xml", False),
        ("image/png+xml", False),
        ("text/html", False),
        ("text/plain", False),
        ("application/xhtml+xml", False),
        ("application/pdf", False),
        ("multipart/x-mixed-replace", False),
        ("video/mp4\r\nSet-Cookie: x=y", False),
        ("video/../x", False),
        ("", False),
    ],
)
def test_only_raster_pictures_sound_and_film_are_given_their_type(type: str, shown: bool) -> None:
    headers = headers_of("a.x", type)
    assert (headers["Content-Type"] != OTHER) == shown
    assert headers["Content-Disposition"].startswith("inline" if shown else "attachment")
    assert not any("\r" in value or "\n" in value for value in headers.values())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("plan.pdf", "filename=\"plan.pdf\"; filename*=UTF-8''plan.pdf"),
        ('a"; x="b.txt', "filename=\"a__ x__b.txt\"; filename*=UTF-8''a_%3B%20x%3D_b.txt"),
        ("../../etc/passwd", "filename=\"passwd\"; filename*=UTF-8''passwd"),
        ("C:\\Windows\\evil.exe", "filename=\"evil.exe\"; filename*=UTF-8''evil.exe"),
        ("a\r\nSet-Cookie: x=y", "filename*=UTF-8''aSet-Cookie_%20x%3Dy"),
        ("photo\u202egnp.exe", "filename=\"photognp.exe\"; filename*=UTF-8''photognp.exe"),
        ("карта.png", "filename=\"_____.png\"; filename*=UTF-8''%D0%BA%D0%B0%D1%80%D1%82%D0%B0.png"),
        ("", "filename=\"file\"; filename*=UTF-8''file"),
    ],
)
def test_names_harm_nobody(name: str, said: str) -> None:
    header = headers_of(name, "application/pdf")["Content-Disposition"]
    assert said in header
    assert header.isascii()
    assert header.count('"') == 2
    assert not set("\r\n\0") & set(header)


def test_a_range_is_read_as_the_rfc_has_it() -> None:
    assert range_of("bytes=0-499", 1000) == (0, 500)
    assert range_of("bytes=500-", 1000) == (500, 1000)
    assert range_of("bytes=-500", 1000) == (500, 1000)
    assert range_of("items=0-1", 1000) is None
    assert range_of("bytes=0-1, 3-4", 1000) is None
    for asked in ("bytes=1000-", "bytes=-0"):
        with pytest.raises(OutOfRange):
            range_of(asked, 1000)
    assert range_of(f"bytes={'9' * 30}-", 1000) is None


async def test_a_file_that_is_not_here_is_told(window: Window, tmp_path: Path) -> None:
    for id in ("0f" * 32, "x", "0", "%00", "..%2f..%2fkey"):
        assert (await window.get(f"/files/{id}"))[0] == 404, id
    item = await window.received(tmp_path, "a.png", b"x" * 1000)
    [sealed] = window.folder()
    sealed.unlink()
    status, _, body = await window.get(f"/files/{item['id']}")
    assert (status, b"not-here" in body) == (409, True)


async def test_a_copy_that_was_changed_on_the_disk_is_never_given_out(window: Window, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    item = await window.received(tmp_path, "a.png", data)
    [sealed] = window.folder()
    changed = bytearray(sealed.read_bytes())
    changed[10] ^= 1
    sealed.write_bytes(changed)
    assert (await window.get(f"/files/{item['id']}"))[0] == 500
    changed[10] ^= 1
    changed[2_500_000] ^= 1
    sealed.write_bytes(changed)
    with pytest.raises(aiohttp.ClientError):
        await window.get(f"/files/{item['id']}")
    assert (await window.get(f"/files/{item['id']}", Range="bytes=0-99"))[2] == data[:100]


async def test_a_ticket_lets_the_browser_fetch_this_file_and_no_other(window: Window, tmp_path: Path) -> None:
    one = await window.received(tmp_path, "one.mp4", b"1" * 500)
    two = await window.received(tmp_path, "two.mp4", b"2" * 500)
    [made] = await ask(window.service, "ticket", file=one["id"])
    assert made["url"] == f"/files/{one['id']}?ticket={made['ticket']}"
    assert await window.bare(f"/files/{one['id']}") == 403
    assert await window.bare(made["url"]) == 200
    assert await window.bare(made["url"]) == 200, "a film is fetched in many parts"
    assert await window.bare(f"/files/{two['id']}?ticket={made['ticket']}") == 403
    for path in ("/files/picture/0f", "/api/follow", "/api/chats"):
        assert await window.bare(f"{path}?ticket={made['ticket']}") in (403, 405)
    async with window.session.post(
        f"{window.base}/files?name=a&ticket={made['ticket']}", data=b"x"
    ) as response:
        assert response.status == 403
    async with aiohttp.ClientSession() as stranger, stranger.get(window.base + made["url"]) as response:
        assert response.status == 403


# ----------------------------------------------------------------------------------------- stopping, going on


async def test_a_file_is_stopped_where_it_stands_and_goes_on_from_there(
    window: Window, tmp_path: Path
) -> None:
    data = os.urandom(3_000_000)
    path = tmp_path / "large.bin"
    path.write_bytes(data)
    ada, bo = window.service, window.street.bo
    database = ada.shell.home.database
    told: list[bytes] = []
    ada.shell.transfers.watchers.append(lambda message, file: told.append(file))
    await ask(bo, "send", chat="Ada", files=[str(path)])
    await until(lambda: bool(database.messages()) and bool(database.files_of(database.messages()[-1].id)))
    [file] = database.files_of(database.messages()[-1].id)
    id = file.id.hex()
    if (row := database.file(file.id)) is not None and row.state == "offered":
        await ask(ada, "fetch_file", file=id)
    await until(lambda: ada.shell.transfers.done(file.id) > 0 or _state(ada, file.id) == "here")
    if _state(ada, file.id) == "coming":
        [stand] = await ask(ada, "pause_file", file=id)
        assert stand["paused"]
        part = ada.shell.transfers.done(file.id)
        await asyncio.sleep(0.3)
        assert (_state(ada, file.id), ada.shell.transfers.done(file.id)) == ("coming", part)
        [stand] = await ask(ada, "resume_file", file=id)
        assert not stand["paused"]
    await until(lambda: _state(ada, file.id) == "here")
    assert told
    assert (await window.get(f"/files/{id}"))[2] == data


def _state(service: Service, file: bytes) -> str:
    row = service.shell.home.database.file(file)
    return row.state if row is not None else ""


# ----------------------------------------------------------------------------------------------- of groups

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf50"
    "0f0003860180c5340d860000000049454e44ae426082"
)


async def test_the_picture_of_a_group_is_given_to_its_members_windows(window: Window) -> None:
    upload = (await window.put(PIXEL, "rope.png", "image/png"))[1]["item"]["upload"]
    await ask(window.service, "group_set", group="Rope", picture=upload)
    bo = window.street.bo
    rope = next(chat.id for chat in bo.person().chats.values() if chat.name == "Rope")

    def pictures(service: Service) -> list[str]:
        return [id.hex() for id in service.person().desk.pictures(rope)]

    await until(lambda: pictures(window.service) and pictures(bo) == pictures(window.service))
    [id] = pictures(window.service)
    status, headers, body = await window.get(f"/files/picture/{id}")
    assert (status, body, headers["Content-Type"]) == (200, PIXEL, "image/png")
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["X-Content-Type-Options"] == "nosniff"
    for wrong in ("0f" * 32, "x", ""):
        assert (await window.get(f"/files/picture/{wrong}"))[0] in (404, 403)
    assert await window.bare(f"/files/picture/{id}") == 403
