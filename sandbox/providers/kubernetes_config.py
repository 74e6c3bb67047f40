"""Where the API server is and how to prove who we are: kubeconfig files, as kubectl reads them."""

import base64
import hashlib
import json
import os
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import yaml

from sandbox.providers.session import ProviderError

_FIX = "fix: set KUBECONFIG where the stand-in is started, or `pulumi config set kubernetes:kubeconfig PATH`"


@dataclass(frozen=True)
class Access:
    """One context of a kubeconfig.

    Args:
        server: the API server's base URL.
        namespace: the context's own namespace; "default" when it names none.
        tls: trust and client certificate, ready for a connection.
        fingerprint: the same for the same server and credentials.
        auth: adds the credentials that travel in headers; None when a certificate is all.
    """

    server: str
    namespace: str
    tls: ssl.SSLContext | bool = field(compare=False)
    fingerprint: str
    auth: httpx.Auth | None = field(default=None, repr=False, compare=False)


def load(kubeconfig: str = "", context: str = "", cluster: str = "") -> Access:
    """The access that a kubeconfig gives.

    Args:
        kubeconfig: a path or the text itself. Defaults to the files in `KUBECONFIG`, then `~/.kube/config`.
        context, cluster: override what the file says is current.

    Raises ProviderError when there is none, or it is not usable.
    """
    config, folder = _read(kubeconfig)
    chosen = context or config.get("current-context", "")
    found = _named(config, "contexts", "context", chosen)
    if found is None:
        known = ", ".join(one.get("name", "?") for one in config.get("contexts") or []) or "none"
        raise ProviderError(f"the kubeconfig has no context {chosen!r}; it has: {known}\n  {_FIX}")
    target = _named(config, "clusters", "cluster", cluster or found.get("cluster", "")) or {}
    if not target.get("server"):
        raise ProviderError(f"the kubeconfig's context {chosen!r} names no cluster with a server\n  {_FIX}")
    user = _named(config, "users", "user", found.get("user", "")) or {}
    if user.get("auth-provider"):
        raise ProviderError(
            "kubeconfig auth-provider was removed from Kubernetes; use an exec plugin or a certificate"
        )
    try:
        files = [_bytes(target, "certificate-authority", folder)]
        files += [_bytes(user, key, folder) for key in ("client-certificate", "client-key")]
        tls, auth = _tls(target, *files), _auth(user, folder)
    except (OSError, ValueError) as error:
        raise ProviderError(f"the kubeconfig's context {chosen!r} is not usable: {error}\n  {_FIX}") from None
    known = hashlib.sha256(repr((target, found, user, files)).encode()).hexdigest()
    return Access(target["server"].rstrip("/"), found.get("namespace") or "default", tls, known, auth)


def _read(kubeconfig: str) -> tuple[dict[str, Any], Path]:
    if kubeconfig and ("\n" in kubeconfig or kubeconfig.lstrip().startswith("{")):
        return _parse(kubeconfig, "the provider's kubeconfig"), Path.cwd()
    named = kubeconfig or os.environ.get("KUBECONFIG", "")
    paths = [Path(name).expanduser() for name in named.split(os.pathsep) if name] or [
        Path("~/.kube/config").expanduser()
    ]
    there = [path for path in paths if path.is_file()]
    if not there:
        raise ProviderError(f"no kubeconfig at {', '.join(map(str, paths))}\n  {_FIX}")
    parts = [_parse(path.read_text(), str(path)) for path in there]
    merged: dict[str, Any] = {
        key: [one for part in parts for one in part.get(key) or []]
        for key in ("clusters", "contexts", "users")
    }
    merged["current-context"] = next(
        (part["current-context"] for part in parts if part.get("current-context")), ""
    )
    return merged, there[0].parent


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ProviderError(f"{where} is not YAML: {str(error).splitlines()[0]}\n  {_FIX}") from None
    if not isinstance(config, dict):
        raise ProviderError(f"{where} is not a kubeconfig\n  {_FIX}")
    return config


def _named(config: dict[str, Any], group: str, kind: str, name: str) -> dict[str, Any] | None:
    return next((one.get(kind) or {} for one in config.get(group) or [] if one.get("name") == name), None)


def _bytes(entry: dict[str, Any], key: str, folder: Path) -> bytes | None:
    """What `key-data` holds, or the file that `key` names."""
    if entry.get(f"{key}-data"):
        return base64.b64decode(entry[f"{key}-data"])
    return (folder / entry[key]).read_bytes() if entry.get(key) else None


def _tls(
    cluster: dict[str, Any], authority: bytes | None, certificate: bytes | None, key: bytes | None
) -> ssl.SSLContext | bool:
    if not cluster["server"].startswith("https:"):
        return True
    tls = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    if certificate and key:
        # Python's TLS takes a client certificate from a file only; this one is ours alone, and gone at once.
        with tempfile.NamedTemporaryFile() as file:
            file.write(certificate + b"\n" + key)
            file.flush()
            tls.load_cert_chain(file.name)
    return tls


def _auth(user: dict[str, Any], folder: Path) -> httpx.Auth | None:
    if user.get("exec"):
        return _ExecToken(user["exec"], folder)
    if user.get("username"):
        return httpx.BasicAuth(user["username"], user.get("password", ""))
    token = user.get("token") or (_bytes(user, "tokenFile", folder) or b"").decode().strip()
    return _Token(token) if token else None


class _Token(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.token()}"
        yield request

    def token(self) -> str:
        return self._token


class _ExecToken(_Token):
    """The token of a credential plugin (`aws eks get-token` and the like), kept until it runs out."""

    def __init__(self, plugin: dict[str, Any], folder: Path) -> None:
        super().__init__("")
        self._plugin, self._folder = plugin, folder
        self._until = 0.0
        self._lock = threading.Lock()

    def token(self) -> str:
        with self._lock:
            if time.time() > self._until - 30:
                self._token, self._until = self._ask()
            return self._token

    def _ask(self) -> tuple[str, float]:
        command = [self._plugin["command"], *(self._plugin.get("args") or [])]
        extra = {one["name"]: one["value"] for one in self._plugin.get("env") or []}
        info = {
            "apiVersion": self._plugin["apiVersion"],
            "kind": "ExecCredential",
            "spec": {"interactive": False},
        }
        env = {**os.environ, **extra, "KUBERNETES_EXEC_INFO": json.dumps(info)}
        try:
            answer = subprocess.run(
                command, env=env, cwd=self._folder, capture_output=True, text=True, timeout=60
            )
            status = json.loads(answer.stdout)["status"]
            expires = status.get("expirationTimestamp")
            until = datetime.fromisoformat(expires).timestamp() if expires else float("inf")
            return status["token"], until
        except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
            raise ProviderError(
                f"the kubeconfig's credential plugin {command[0]!r} gave no token: {type(error).__name__}: {error}\n"
                "  fix: run it by hand; what it prints to stderr says why"
            ) from None
