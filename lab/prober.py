"""One look of the active prober: it connects, says what the probe says, and writes down what came back. Called in a thread that is
already in the namespace from which the prober looks."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time

from lab.policy import Probe, Seen

# Long enough that an ordinary site has answered or hung up (nginx waits 60 s for a head that never ends, which is no mark).
PATIENCE_S = 6.0
_CONNECT_S = 5.0
_ENOUGH = 4096


def look(probe: Probe) -> Seen:
    """Blocks until the other side has answered and ended, or `PATIENCE_S` have passed."""
    time.sleep(probe.after)
    try:
        connection = socket.create_connection((probe.address, probe.port), timeout=_CONNECT_S)
    except OSError:
        return Seen(connected=False)
    with connection:
        if probe.send is None:
            return _look_inside(connection, probe)
        return _exchange(connection, probe.send)


def _look_inside(connection: socket.socket, probe: Probe) -> Seen:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    connection.settimeout(PATIENCE_S)
    begun = time.monotonic()
    try:
        wrapped = context.wrap_socket(connection, server_hostname=probe.name)
    except TimeoutError:
        return Seen(connected=True, seconds=time.monotonic() - begun)
    except ssl.SSLError as refused:  # an alert is an answer, too
        alert = "ALERT" in (refused.reason or "")
        return Seen(
            connected=True, answer=b"alert" if alert else b"", end="closed", seconds=time.monotonic() - begun
        )
    except OSError:
        return Seen(connected=True, end="reset", seconds=time.monotonic() - begun)
    with wrapped:
        host = probe.name or probe.address
        seen = _exchange(wrapped, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return Seen(connected=True, answer=seen.answer, tls=True, end=seen.end, seconds=seen.seconds)


def _exchange(connection: socket.socket, said: bytes) -> Seen:
    """Writes all of it and reads on meanwhile: who is sent more than it wants may answer before it has read that."""
    begun = time.monotonic()
    until = begun + PATIENCE_S
    answer = b""
    end = "open"
    connection.settimeout(0.2 if isinstance(connection, ssl.SSLSocket) else 0.0)
    while time.monotonic() < until:
        if not isinstance(connection, ssl.SSLSocket):
            select.select([connection], [connection] if said else [], [], until - time.monotonic())
        try:
            if said:
                with contextlib.suppress(TimeoutError, BlockingIOError):
                    said = said[connection.send(said) :]
                    begun = time.monotonic()
            part = connection.recv(_ENOUGH)
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError):
            continue
        except ssl.SSLError:
            end = "closed"
            break
        except OSError:
            end = "reset"
            break
        if not part:
            end = "closed"
            break
        answer = (answer + part)[:_ENOUGH]
    return Seen(connected=True, answer=answer, end=end, seconds=time.monotonic() - begun)
