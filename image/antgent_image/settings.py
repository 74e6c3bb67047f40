"""One settings file for both workloads: the image's own, then the user's, then the environment.

antgent reads one file, and its worker (`looper`) reads nothing else: without this the image's settings
would be lost with a file of the user's, and ANTGENT_TEMPORALIO__… would not reach the worker.
"""

import json
import os
import sys
from pathlib import Path

import yaml

FILE_VARIABLE = "ANTGENT_CONFIG"
IMAGE_FILE = Path(__file__).with_name("config.yaml")
# The sections that the worker reads; the server applies the environment to all the others by itself.
WORKER_SECTIONS = ("temporalio", "logging")

Settings = dict[str, object]


def effective() -> Settings:
    """The settings in force. Exits with a message when the user's file is missing or is not YAML."""
    settings = _merged(_read(IMAGE_FILE), _read(Path(os.environ.get(FILE_VARIABLE) or IMAGE_FILE)))
    for section in WORKER_SECTIONS:
        settings[section] = _merged(settings.get(section) or {}, _environment(section))
    return settings


def publish(settings: Settings) -> str:
    """Write the settings to a file in memory (the root may be read-only) and point antgent at it."""
    file = os.memfd_create("antgent.yaml")
    os.write(file, json.dumps(settings).encode())
    os.environ[FILE_VARIABLE] = f"/proc/self/fd/{file}"
    return os.environ[FILE_VARIABLE]


def _read(file: Path) -> Settings:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        sys.exit(
            f"error: {FILE_VARIABLE} names a file that cannot be read: {error}\n  fix: mount it or unset it"
        )
    if not isinstance(found, dict):
        sys.exit(f"error: {file} holds a {type(found).__name__}, not a mapping\n  fix: see {IMAGE_FILE}")
    return found


def _merged(below: Settings, above: Settings) -> Settings:
    """Both, mapping by mapping; where they disagree `above` wins, and a list replaces a list."""
    both = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            both[key] = _merged(below[key], above[key])
    return both


def _environment(section: str) -> Settings:
    """What `ANTGENT_<SECTION>__<NAME>` variables say; lists and mappings are JSON."""
    start = f"ANTGENT_{section.upper()}__"
    return {
        name.removeprefix(start).lower(): _value(name, value)
        for name, value in os.environ.items()
        if name.startswith(start)
    }


def _value(name: str, value: str) -> object:
    try:
        return json.loads(value) if value[:1] in ("[", "{") else value
    except json.JSONDecodeError as error:
        sys.exit(f"error: {name} is not valid JSON: {error}\n  fix: give a JSON list or mapping")
