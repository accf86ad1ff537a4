"""Whatever a command or the page sends as parameters: done, or refused in words, and nothing else."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from whimbrel.client.errors import WRONG_USE, ServiceError
from whimbrel.client.parameters import NUMBER_MAX, fault_of
from whimbrel.client.service import METHODS, Service


def test_every_parameter_of_every_method_is_of_a_kind_that_is_checked() -> None:
    for method in METHODS.values():
        for name in list(inspect.signature(method).parameters)[1:]:
            assert (fault_of(method, {name: object()}) or "").startswith(f"{name} has to be ")


@pytest.mark.parametrize(
    ("method", "given", "fault"),
    [
        ("send", {"chat": 5}, "chat has to be a text"),
        ("send", {"files": [{}]}, "files has to be a list of texts"),
        ("send", {"wait": "soon"}, "wait has to be a number"),
        ("send", {"wait": float("nan")}, "wait has to be a number"),
        ("send", {"wait": float("inf")}, "wait has to be a number"),
        ("send", {"wait": 10**400}, "wait has to be a number"),
        ("send", {"wait": True}, "wait has to be a number"),
        ("read", {"limit": 1.5}, "limit has to be a whole number from 0 on"),
        ("read", {"limit": -1}, "limit has to be a whole number from 0 on"),
        ("read", {"limit": NUMBER_MAX + 1}, "limit has to be a whole number from 0 on"),
        ("read", {"events": 1}, "events has to be true or false"),
        ("search", {"words": [["a"]]}, "words has to be a text or a list of texts"),
        ("set_settings", {"theme": "sepia"}, "theme has to be one of system, light, dark"),
        ("set_settings", {"notify": True}, "notify has to be one of off, that, who, what"),
        ("messages", {"around": 5}, "around has to be a text"),
    ],
)
def test_what_is_of_no_kind_that_a_method_takes_is_said(
    method: str, given: dict[str, Any], fault: str
) -> None:
    assert fault_of(METHODS[method], given) == fault


def test_what_is_of_the_right_kind_is_taken() -> None:
    assert fault_of(METHODS["send"], {"chat": "birds", "files": ["a", "b"], "wait": 0, "text": None}) is None
    assert fault_of(METHODS["search"], {"words": ["a"], "limit": NUMBER_MAX}) is None
    assert fault_of(METHODS["search"], {"words": "a"}) is None
    assert fault_of(METHODS["set_settings"], {"theme": "dark", "language": ""}) is None


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with Service.open(tmp_path / "home", wait=0) as service:
        async for _ in service.call("init", {"name": "Ada"}):
            pass
        async for _ in service.call("group_new", {"name": "birds"}):
            pass
        yield service


async def test_a_call_with_wrong_parameters_is_refused_before_anything_is_done(service: Service) -> None:
    with pytest.raises(ServiceError) as refused:
        async for _ in service.call("group_show", {"group": 64}):
            pass
    assert (refused.value.code, refused.value.exit) == ("parameters", WRONG_USE)
    assert refused.value.message == "group_show: group has to be a text."


@pytest.mark.parametrize("name", ["a\x00b", "\ud800"])
async def test_what_can_be_no_file_name_is_no_file(service: Service, name: str) -> None:
    with pytest.raises(ServiceError) as refused:
        async for _ in service.call("send", {"chat": "birds", "files": [name]}):
            pass
    assert refused.value.code == "file"
