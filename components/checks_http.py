"""The HTTP check: the right answer, quickly enough, several times in a row."""

import time
from collections.abc import Mapping
from typing import Any

import httpx

from components.checks import Deadline, HttpCheck, Say, failed

AGAIN_SECONDS = 0.5
"""Between a wrong answer and the next request."""
NEXT_SECONDS = 0.1
"""Between two right answers."""
LARGEST_ANSWER = 1 << 20
"""Bytes of an answer that are read."""
SHOWN = 500
"""Characters of an answer that an error shows."""


def check_http(
    check: HttpCheck,
    url: str,
    secrets: Mapping[str, str],
    deadline: Deadline,
    say: Say,
    *,
    proxies: bool = True,
) -> None:
    """Return when the server has answered right as often in a row as asked.

    Args:
        url: of the environment.
        secrets: values by name, for the check's secret headers; shown nowhere.
        proxies: let the environment's proxy settings decide how `url` is reached.

    Raises:
        VerificationError: it had not by the deadline; with request, expectation and last answer.
    """
    headers = {header: secrets[name] for header, name in check.secret_headers.items()} | {**check.headers}
    address, row, tries, best = url.rstrip("/") + check.path, 0, 0, 0
    with httpx.Client(headers=headers, follow_redirects=False, trust_env=proxies) as client:
        while True:
            answer, wrong = _ask(client, check, address, deadline)
            tries, row = tries + 1, 0 if wrong else row + 1
            best = max(best, row)
            if row >= check.successes:
                return
            if wrong and tries == 1:
                say(f"GET {address}: {_hide(wrong, secrets)}, asking again for {deadline.left:.0f} s")
            if deadline.passed:
                raise failed(
                    f"GET {address}",
                    request=_request(check, address),
                    expected=expectation(check),
                    answer=_hide(answer, secrets),
                    wrong=_hide(wrong, secrets) or f"{best} right answers in a row at most",
                    tried=f"{tries} times in {deadline.seconds:g} s, {best} right in a row at most",
                )
            time.sleep(min(AGAIN_SECONDS if wrong else NEXT_SECONDS, deadline.left))


def expectation(check: HttpCheck) -> str:
    """What the check expects, as one line."""
    parts = [f"status {check.status}"]
    if check.field:
        parts.append(f"{check.field} = {check.expect!r}")
    if check.latency:
        parts.append(f"within {check.latency:g} s")
    if check.successes > 1:
        parts.append(f"{check.successes} times in a row")
    return ", ".join(parts)


def _ask(client: httpx.Client, check: HttpCheck, address: str, deadline: Deadline) -> tuple[str, str]:
    """One request: the answer as a person reads it, and what is wrong with it; empty when it is right."""
    started, limit = time.monotonic(), max(deadline.left, 1)
    if check.latency:
        limit = min(limit, check.latency * 2 + 1)
    try:
        with client.stream("GET", address, timeout=limit) as response:
            body = b""
            for chunk in response.iter_bytes():
                body += chunk
                if time.monotonic() - started > limit:
                    raise httpx.ReadTimeout(f"its body did not end in {limit:.1f} s")
                if len(body) > LARGEST_ANSWER:
                    break
    except httpx.LocalProtocolError:  # its text is the header that it does not take, which may be the secret
        return "none (LocalProtocolError)", "a header's value cannot be sent"
    except httpx.HTTPError as error:
        none = f"none ({type(error).__name__}: {error})"
        return none, f"no answer ({type(error).__name__})"
    took = time.monotonic() - started
    text = body.decode(errors="replace")
    shown = f"{response.status_code} {response.reason_phrase} in {took:.2f} s\n{text[:SHOWN]}".rstrip()
    return shown, _wrong(check, response, text, took)


def _wrong(check: HttpCheck, response: httpx.Response, text: str, took: float) -> str:
    if response.status_code != check.status:
        return f"status {response.status_code}"
    if check.field:
        found = _field(text, check.field)
        if found != check.expect:
            return f"{check.field} = {found!r}" if found is not None else f"no field {check.field}"
    if check.latency and took > check.latency:
        return f"it took {took:.2f} s"
    return ""


def _field(text: str, name: str) -> str | None:
    """A field of a JSON answer as text; None where there is none."""
    try:
        value: Any = httpx.Response(200, text=text).json()
        for part in name.split("."):
            value = value[int(part)] if isinstance(value, list) else value[part]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def _request(check: HttpCheck, address: str) -> str:
    told = [f"{name}: {value}" for name, value in check.headers.items()]
    told += [f"{header}: (the secret {name})" for header, name in check.secret_headers.items()]
    return "\n".join([f"GET {address}", *told])


def _hide(text: str, secrets: Mapping[str, str]) -> str:
    for value in filter(None, secrets.values()):
        text = text.replace(value, "(secret)")
    return text
