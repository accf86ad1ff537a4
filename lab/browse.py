"""Somebody who browses: the system's resolver, a hello like that of current Chrome, one page. A control, of a
`bystander`: `ok`, `status`, `bytes`, `seconds`, else `why`."""

from __future__ import annotations

import time
from typing import Any

import curl_cffi

PATIENCE_S = 10.0
LIKENESS = "chrome150"


def look(url: str) -> dict[str, Any]:
    begun = time.monotonic()
    try:
        with curl_cffi.Session(impersonate=LIKENESS, timeout=PATIENCE_S, trust_env=False) as session:
            answer = session.get(url, verify="/etc/ssl/certs/ca-certificates.crt")
    except curl_cffi.CurlError as error:
        return {
            "ok": False,
            "why": f"{type(error).__name__} {error.code}",
            "seconds": time.monotonic() - begun,
        }
    found = {"status": answer.status_code, "bytes": len(answer.content), "seconds": time.monotonic() - begun}
    return {"ok": 200 <= answer.status_code < 400, **found}
