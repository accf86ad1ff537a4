"""The socket in the home: requests and answers, going away, hostile bytes, long paths, permissions."""

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.small_service import BO, SmallService
from whimbrel.app import socket as app_socket
from whimbrel.app.channel import SOCKET_NAME, AppGone, Channel, reach_app, socket_path


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[SmallService]:
    small = SmallService()
    async with serving(small, tmp_path):
        yield small


class serving:
    """The socket of a home, served for a while."""

    def __init__(self, service: SmallService, home: Path) -> None:
        self._service, self._home = service, home

    async def __aenter__(self) -> None:
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        listening = app_socket.listen(self._home)
        self._server = self._tasks.create_task(app_socket.serve(listening, self._service, self._home))
        await asyncio.sleep(0)

    async def __aexit__(self, *exception: object) -> None:
        self._server.cancel()
        await self._tasks.__aexit__(None, None, None)


def ask(home: Path, method: str, **params: Any) -> list[dict[str, Any]]:
    channel = reach_app(home)
    assert channel is not None
    with channel:
        return list(channel.ask(method, params))


async def test_a_call_is_answered_by_its_items_and_an_end(service: SmallService, tmp_path: Path) -> None:
    assert await asyncio.to_thread(ask, tmp_path, "chats") == [{"item": BO}, {"end": True}]
    assert service.asked == [("chats", {})]


async def test_requests_follow_each_other_on_one_connection(service: SmallService, tmp_path: Path) -> None:
    def twice() -> list[list[dict[str, Any]]]:
        channel = reach_app(tmp_path)
        assert channel is not None
        with channel:
            return [list(channel.ask("chats", {})), list(channel.ask("status", {}))]

    assert await asyncio.to_thread(twice) == [
        [{"item": BO}, {"end": True}],
        [{"item": {"name": "Ada"}}, {"end": True}],
    ]


async def test_an_error_of_the_client_keeps_its_words_and_candidates(
    service: SmallService, tmp_path: Path
) -> None:
    assert await asyncio.to_thread(ask, tmp_path, "verify", name="B") == [
        {
            "error": {
                "error": "ambiguous",
                "message": "Several people fit.",
                "do": "Say more.",
                "exit": 4,
                "candidates": ["Bo", "Bob"],
            }
        }
    ]


async def test_an_unforeseen_error_is_one_sentence_and_its_details_are_in_the_home(
    service: SmallService, tmp_path: Path
) -> None:
    [answer] = await asyncio.to_thread(ask, tmp_path, "save", message="1")
    assert answer["error"]["exit"] == 1
    assert "secret value" not in json.dumps(answer)
    details = tmp_path / "last-error.txt"
    assert str(details) in answer["error"]["message"]
    assert "ZeroDivisionError" in details.read_text()
    assert stat.S_IMODE(details.stat().st_mode) == 0o600


async def test_what_was_asked_is_cancelled_when_the_command_goes_away(
    service: SmallService, tmp_path: Path
) -> None:
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / SOCKET_NAME))
    writer.write(b'{"method": "read", "params": {"follow": true}}\n')
    await asyncio.wait_for(service.was_asked.wait(), 5)
    assert not service.cancelled.is_set()
    writer.close()
    await asyncio.wait_for(service.cancelled.wait(), 5)
    assert await reader.read() == b""


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"hello\n",
        b"[]\n",
        b"{}\n",
        b'{"method": 1, "params": {}}\n',
        b'{"method": "chats", "params": []}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
    ],
)
async def test_what_is_no_request_gets_an_error_and_the_next_one_is_answered(
    service: SmallService, tmp_path: Path, line: bytes
) -> None:
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / SOCKET_NAME))
    writer.write(line + b'{"method": "chats", "params": {}}\n')
    assert json.loads(await reader.readline())["error"]["error"] == "wrong-use"
    assert json.loads(await reader.readline()) == {"item": BO}
    writer.close()


async def test_a_line_without_end_is_cut_off_and_the_app_goes_on(
    service: SmallService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_socket, "_LONGEST_REQUEST", 1000)
    other_home = tmp_path / "other"
    other_home.mkdir()
    async with serving(service, other_home):
        reader, writer = await asyncio.open_unix_connection(str(other_home / SOCKET_NAME))
        writer.write(b"x" * 10_000)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        assert await asyncio.to_thread(ask, other_home, "chats") == [{"item": BO}, {"end": True}]


async def test_a_home_with_a_long_path_has_a_socket_too(tmp_path: Path) -> None:
    home = tmp_path / ("deep" * 20) / ("deeper" * 20)
    home.mkdir(parents=True)
    async with serving(SmallService(), home):
        assert (home / SOCKET_NAME).is_socket()
        assert await asyncio.to_thread(ask, home, "chats") == [{"item": BO}, {"end": True}]
    assert not (home / SOCKET_NAME).exists()


def test_without_proc_the_path_is_taken_from_inside_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / ("deep" * 30)
    home.mkdir()
    monkeypatch.setattr("whimbrel.app.channel.os.path.isdir", lambda path: False)
    before = Path.cwd()
    with socket_path(home) as path:
        assert path == SOCKET_NAME
        assert Path.cwd() == home
    assert Path.cwd() == before


async def test_only_the_owner_can_reach_the_socket(service: SmallService, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / SOCKET_NAME).stat().st_mode) == 0o600


async def test_a_socket_left_by_a_process_that_is_gone_is_no_app(tmp_path: Path) -> None:
    app_socket.listen(tmp_path).close()
    assert (tmp_path / SOCKET_NAME).is_socket()
    assert reach_app(tmp_path) is None
    async with serving(SmallService(), tmp_path):
        assert await asyncio.to_thread(ask, tmp_path, "chats") == [{"item": BO}, {"end": True}]


def test_a_home_that_is_not_there_has_no_app(tmp_path: Path) -> None:
    assert reach_app(tmp_path / "nowhere") is None
    (tmp_path / "file").write_text("")
    assert reach_app(tmp_path / "file") is None


async def test_a_command_notices_that_the_app_ended(tmp_path: Path) -> None:
    service = SmallService()

    def follow() -> str:
        channel = reach_app(tmp_path)
        assert channel is not None
        with channel, pytest.raises(AppGone):
            list(channel.ask("read", {"follow": True}))
        return "gone"

    async with asyncio.TaskGroup() as tasks:
        async with serving(service, tmp_path):
            following = tasks.create_task(asyncio.to_thread(follow))
            await asyncio.wait_for(service.was_asked.wait(), 5)
        assert await asyncio.wait_for(following, 5) == "gone"


@pytest.mark.parametrize(
    "line", [b"hello\n", b"[]\n", b"1\n", b"\xff\n", b"[" * 100_000 + b"\n", b'{"item": 1}']
)
def test_what_is_no_answer_is_as_if_the_app_had_gone(line: bytes) -> None:
    here, there = socket.socketpair()
    with there, Channel(here) as channel:
        there.sendall(line)
        there.shutdown(socket.SHUT_WR)
        with pytest.raises(AppGone):
            list(channel.ask("chats", {}))
