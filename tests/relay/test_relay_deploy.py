"""What lies in deploy/ cannot run here, but it can be read: names, options, paths."""

import argparse
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from whimbrel.relay.main import add_arguments, settings_of

REPOSITORY = Path(__file__).resolve().parents[2]
UNIT = REPOSITORY / "deploy" / "whimbrel-relay.service"
CONTAINER = REPOSITORY / "deploy" / "Containerfile"

DIRECTIVES = {
    "Unit": "Description After Wants",
    "Service": """Type ExecStart StandardOutput Restart RestartSec KillSignal TimeoutStopSec User Group StateDirectory
        StateDirectoryMode UMask LimitNOFILE NoNewPrivileges CapabilityBoundingSet AmbientCapabilities ProtectSystem
        ProtectHome PrivateTmp PrivateDevices ProtectProc ProcSubset ProtectClock ProtectControlGroups ProtectHostname
        ProtectKernelLogs ProtectKernelModules ProtectKernelTunables RestrictAddressFamilies RestrictNamespaces
        RestrictRealtime RestrictSUIDSGID LockPersonality MemoryDenyWriteExecute RemoveIPC SystemCallArchitectures
        SystemCallFilter SystemCallErrorNumber""",
    "Install": "WantedBy",
}  # fmt: skip
"""As in systemd.unit(5), systemd.service(5), systemd.exec(5)."""
INSTRUCTIONS = frozenset(
    ["FROM", "RUN", "COPY", "WORKDIR", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT"]
)


def unit_lines() -> list[tuple[str, str, str]]:
    """(section, directive, value)"""
    section, found = "", []
    for line in UNIT.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            section = heading[1]
        else:
            name, equals, value = line.partition("=")
            assert equals, line
            found.append((section, name, value))
    return found


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    return parser.parse_args(arguments)


def test_the_unit_has_only_directives_that_systemd_knows() -> None:
    lines = unit_lines()
    assert {section for section, _, _ in lines} == set(DIRECTIVES)
    for section, name, _ in lines:
        assert name in DIRECTIVES[section].split(), name
    names = [name for _, name, _ in lines if name != "SystemCallFilter"]
    assert len(names) == len(set(names)), "no directive twice"


def test_the_unit_starts_a_relay_that_understands_its_arguments() -> None:
    [command] = [value for _, name, value in unit_lines() if name == "ExecStart"]
    program, relay, *arguments = shlex.split(command.replace("${STATE_DIRECTORY}", "/var/lib/whimbrel-relay"))
    assert (Path(program).name, relay) == ("whimbrel", "relay")
    settings = settings_of(parse(arguments))
    assert (settings.host, settings.metrics_port) == ("127.0.0.1", 9440)
    assert settings.data == Path("/var/lib/whimbrel-relay")


def test_the_address_does_not_go_to_the_journal() -> None:
    values = {name: value for _, name, value in unit_lines()}
    assert values["StandardOutput"].startswith("truncate:/var/lib/whimbrel-relay/")
    assert values["StateDirectoryMode"] == "0700"


def test_systemd_itself_finds_nothing_wrong_where_it_is(tmp_path: Path) -> None:
    """Where it is not, the tests above have to do."""
    verify = shutil.which("systemd-analyze")
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/whimbrel/bin/whimbrel", "/bin/true"))
    if verify is not None:
        ended = subprocess.run([verify, "verify", str(copy)], capture_output=True, text=True, check=False)
        assert str(copy) not in ended.stderr, ended.stderr


def container_lines() -> list[tuple[str, str]]:
    """(instruction, the rest), continued lines put together."""
    text = re.sub(r"^#.*\n", "", CONTAINER.read_text(), flags=re.MULTILINE)
    text = re.sub(r"\\\n\s*", "", text)
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in text.splitlines() if line.strip()]


def test_the_container_file_has_only_known_instructions() -> None:
    lines = container_lines()
    assert lines[0][0] == "FROM"
    assert {instruction for instruction, _ in lines} <= INSTRUCTIONS


def test_what_the_container_copies_is_there() -> None:
    for instruction, rest in container_lines():
        if instruction == "COPY" and not rest.startswith("--from="):
            for source in rest.split()[:-1]:
                assert (REPOSITORY / source).exists(), source


def test_the_container_runs_a_relay_and_not_as_root() -> None:
    lines = container_lines()
    [entry] = [json.loads(rest) for instruction, rest in lines if instruction == "ENTRYPOINT"]
    assert entry[:2] == ["whimbrel", "relay"]
    settings = settings_of(parse(entry[2:]))
    assert (settings.host, settings.port, settings.data) == ("0.0.0.0", 8440, Path("/data"))
    assert ("USER", "10440") in lines
    assert ("EXPOSE", "8440") in lines
