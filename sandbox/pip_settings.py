"""How pip reaches its index on this machine: what the build stage has to know, and nothing more."""

import ast
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.packages import find_command

# Folders of this machine (find-links) mean nothing inside a container and are left out.
KEPT = (
    "index-url",
    "extra-index-url",
    "no-index",
    "trusted-host",
    "proxy",
    "timeout",
    "default-timeout",
    "retries",
)
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
NAMED_BUNDLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
OWN_AUTHORITIES = Path("/usr/local/share/ca-certificates")


@dataclass(frozen=True)
class PipSettings:
    """pip's options and the certificates it needs.

    Args:
        options: pip's global options, by their names in pip.conf.
        bundle: the machine's CA bundle where it trusts more than the public authorities; else empty.
    """

    options: tuple[tuple[str, str], ...]
    bundle: bytes = b""

    @classmethod
    def of_this_machine(cls) -> "PipSettings":
        """Read `pip config list`, PIP_* variables and the variables that name a CA bundle."""
        options = read_options(_pip_config_list(), os.environ)
        bundle = _bundle(options.pop("cert", None))
        return cls(tuple(sorted(options.items())), bundle)

    @property
    def empty(self) -> bool:
        """Whether pip needs nothing special here."""
        return not self.options and not self.bundle

    @property
    def key(self) -> str:
        """Eight characters that change with the settings."""
        return hashlib.sha256(repr((self.options, self.bundle)).encode()).hexdigest()[:8]

    @property
    def summary(self) -> str:
        """What there is, in words without values (an index address may hold a password)."""
        names = [name for name, _ in self.options] + (["certificates"] if self.bundle else [])
        return f"pip settings ({', '.join(names)})"

    def files(self) -> dict[str, bytes]:
        """The files to put into the builder, by path."""
        lines = ["[global]", *(f"{name} = {_indented(value)}" for name, value in self.options)]
        lines += [f"cert = {BUNDLE}"] if self.bundle else []
        files = {"/etc/pip.conf": ("\n".join(lines) + "\n").encode()}
        return files | ({BUNDLE: self.bundle} if self.bundle else {})


def read_options(listing: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The kept options (and `cert`) of a `pip config list`; PIP_* variables win over files.

    A line is `global.index-url='…'`, or `install.…`, or `:env:.…` for a variable.
    """
    options = {}
    for line in listing.splitlines():
        name, separator, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if separator and section in ("global", "install", "site", ""):
            options[option] = _unquoted(value)
    for name, value in environment.items():
        if name.startswith("PIP_"):
            options[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return {name: value for name, value in options.items() if name in (*KEPT, "cert") and value}


def _unquoted(value: str) -> str:
    try:
        return str(ast.literal_eval(value))
    except (ValueError, SyntaxError):
        return value


def _indented(value: str) -> str:
    return value.strip().replace("\n", "\n  ")


def _pip_config_list() -> str:
    """What any pip of this machine says: ours first, else the one on PATH (uv's environments have none)."""
    candidates = [[sys.executable, "-m", "pip"], *([[found]] if (found := find_command("pip3")) else [])]
    for pip in candidates:
        done = subprocess.run(
            [*pip, "--disable-pip-version-check", "config", "list"], capture_output=True, text=True
        )
        if done.returncode == 0:
            return done.stdout
    return ""


def _bundle(pip_cert: str | None) -> bytes:
    """The CA bundle that is named for pip or TLS, or the system's where authorities were added to it."""
    named = [pip_cert, *(os.environ.get(name) for name in NAMED_BUNDLES)]
    if any(OWN_AUTHORITIES.glob("**/*.crt")):
        named.append(BUNDLE)
    for one in named:
        if one and Path(one).is_file():
            return Path(one).read_bytes()
    return b""
