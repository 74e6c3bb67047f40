"""Go's durations (`1m30s`), in which Docker's tools write times."""

import re

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")


def nanoseconds(text: str) -> int:
    """`1m30s` in nanoseconds; raises ValueError when it is not a duration."""
    if text and not _PART.sub("", text):
        return sum(round(float(number) * _UNITS[unit]) for number, unit in _PART.findall(text))
    raise ValueError(f"{text!r} is not a duration such as 500ms, 30s or 1m30s")


def duration(nanos: int) -> str:
    """Nanoseconds in Go's form: `0s`, `500ms`, `1m30s`, `1h0m0s`."""
    if nanos < 10**9:
        unit = next((unit for unit in ("ms", "us", "ns") if nanos >= _UNITS[unit]), "s")
        return f"{_number(nanos / _UNITS[unit])}{unit}"
    minutes, rest = divmod(nanos, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    prefix = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{prefix}{_number(rest / _UNITS['s'])}s"


def _number(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")
