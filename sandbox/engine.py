"""The Pulumi engine: found, installed, or built from Go modules where its vendor cannot be reached."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path

from filelock import FileLock, Timeout

from sandbox import gobuild
from sandbox.console import say, step
from sandbox.errors import SandboxError
from sandbox.paths import cache_dir
from sandbox.vendor import SITE, vendor_reachable

# 3.230.0 is the oldest CLI that this program was run with (Python SDK 3.272); a new major may change the
# protocol between CLI and SDK, as the SDK's own check says.
OLDEST, TOO_NEW = (3, 230, 0), (4, 0, 0)

# What must lie beside `pulumi`: the language host, its start script, and dynamic providers (Rollout is one).
HELPERS = ("pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python")

# The newest version whose modules build; the language host left the SDK's module after v3.79.0.
CLI_VERSION, CLI_MODULE = "3.256.0", "github.com/pulumi/pulumi/pkg/v3"
SDK_MODULE = "github.com/pulumi/pulumi/sdk/v3"
VERSION_FLAG = f"-X {SDK_MODULE}/go/common/version.Version=v{CLI_VERSION}"

INSTALL_SECONDS = 900
INSTALLER = "import sys; from pulumi.automation import PulumiCommand; PulumiCommand.install(root=sys.argv[1])"


@dataclass(frozen=True)
class Engine:
    """A usable Pulumi engine.

    Args:
        version: of the CLI, such as `3.256.0`.
        bin: the folder that holds `pulumi`; its helpers are there too, or on PATH.
        origin: `PATH`, `cache`, `official install` or `built`.
    """

    version: str
    bin: Path
    origin: str


class NotHereError(Exception):
    """One way to an engine does not work; says why."""


def ensure_engine() -> Engine:
    """The engine to use: from PATH, from the cache, by the official install, or built from Go modules.

    The first way that works is taken. Safe to call from two processes at once: the second waits.
    Raises SandboxError with everything that was tried, each with its cause.
    """
    tried: list[str] = []
    with _noted("PATH", tried):
        return _on_path()
    with _noted("cache", tried):
        return _in_cache()
    with _noted("preparing one", tried), _only_one(_engines()):
        # Another process may have been busy with it until now.
        with _noted("cache", []):
            return _in_cache()
        with _noted("official install", tried):
            return _official()
        with _noted("build from Go modules", tried):
            return _built()
    raise SandboxError(
        "no Pulumi engine could be found, installed or built:\n" + "\n".join(f"  - {line}" for line in tried),
        fix=f"put Pulumi {_dotted(OLDEST)} or newer on PATH (https://www.pulumi.com/docs/install), "
        "or mend one of the causes above, then run this again",
    )


@contextlib.contextmanager
def _noted(way: str, tried: list[str]) -> Generator[None]:
    """Turn the failure of one way into a line of the report, so that the next is tried."""
    try:
        yield
    except (NotHereError, SandboxError, OSError) as error:
        tried.append(f"{way}: {error}".replace("\n", "\n    "))


def _engines() -> Path:
    folder = cache_dir() / "engine"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _parsed(text: str) -> tuple[int, ...]:
    numbers = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, numbers.groups())) if numbers else ()


def _supported(text: str) -> bool:
    return OLDEST <= _parsed(text) < TOO_NEW


def _on_path() -> Engine:
    causes = []
    for folder in map(Path, os.get_exec_path()):
        pulumi = folder / "pulumi"
        if not os.access(pulumi, os.X_OK) or pulumi.is_dir() or _ours(pulumi):
            continue
        try:
            said = subprocess.check_output(
                [pulumi, "version"], text=True, stderr=subprocess.STDOUT, timeout=30, cwd="/",
                env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            ).strip()  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            causes.append(f"{pulumi} does not run: {error}")
            continue
        absent = [name for name in HELPERS if not _helper(name, pulumi)]
        if not _supported(said):
            causes.append(f"{pulumi} is {said or 'of no version'}; supported is {_dotted(OLDEST)} to 3.x")
        elif absent:
            causes.append(f"{pulumi} has no {', '.join(absent)} beside it or on PATH")
        else:
            return Engine(_dotted(_parsed(said)), folder, "PATH")
    raise NotHereError("; ".join(causes) or "there is no `pulumi` on it")


def _ours(pulumi: Path) -> bool:
    """Whether a `pulumi` on PATH is only this sandbox's own, there because of `make env`."""
    return pulumi.resolve().is_relative_to(cache_dir()) or b"antgent sandbox" in pulumi.open("rb").read(200)


def _helper(name: str, pulumi: Path) -> bool:
    return os.access(pulumi.resolve().parent / name, os.X_OK) or shutil.which(name) is not None


def _in_cache() -> Engine:
    folders = [
        folder for folder in _engines().iterdir() if _supported(folder.name) and _complete(folder / "bin")
    ]
    if not folders:
        raise NotHereError(f"nothing complete in {_engines()}")
    newest = max(folders, key=lambda folder: _parsed(folder.name))
    return Engine(newest.name, newest / "bin", "cache")


def _complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("pulumi", *HELPERS))


def _official() -> Engine:
    """What `pulumi.automation` installs: the CLI of the SDK's own version."""
    if not vendor_reachable():
        raise NotHereError(f"the vendor's download site ({SITE}) does not answer")
    version = installed_version("pulumi")
    with _made_at_once(version) as root, step(f"installing the Pulumi engine {version}"):
        _install(root)
        if not _complete(root / "bin"):
            raise NotHereError("the download is incomplete")
    return Engine(version, _engines() / version / "bin", "official install")


def _install(root: Path) -> None:
    try:
        done = subprocess.run(
            [sys.executable, "-c", INSTALLER, root], capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise NotHereError(f"it was not done in {INSTALL_SECONDS // 60} minutes") from None
    if done.returncode:
        raise NotHereError(((done.stderr or done.stdout).strip().splitlines() or ["it failed silently"])[-1])


def _built() -> Engine:
    modules = gobuild.GO_MODULES
    what = f"building the Pulumi engine {CLI_VERSION} from Go modules (6 to 10 minutes)"
    with _made_at_once(CLI_VERSION) as root, step(what):
        bin_dir = root / "bin"
        host = {"pulumi-language-python": f"{SDK_MODULE}/python/cmd/pulumi-language-python"}
        gobuild.build(modules / "language", host, bin_dir)
        source = gobuild.module_source(modules / "language", SDK_MODULE)
        for script in ("cmd/pulumi-language-python-exec", "dist/pulumi-resource-pulumi-python"):
            copy = shutil.copyfile(source / "python" / script, bin_dir / Path(script).name)
            Path(copy).chmod(0o755)
        shutil.copyfile(source / "LICENSE", root / "LICENSE")
        cli = {"pulumi": f"{CLI_MODULE}/cmd/pulumi"}
        gobuild.build(modules / "pulumi", cli, bin_dir, ldflags=f"-s -w {VERSION_FLAG}")
    return Engine(CLI_VERSION, _engines() / CLI_VERSION / "bin", "built")


@contextlib.contextmanager
def _made_at_once(version: str) -> Generator[Path]:
    """A scratch folder that becomes the cache's folder of `version` only when all of it is there."""
    final = _engines() / version
    for leftover in _engines().glob(".making-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=_engines(), prefix=".making-") as scratch:
        root = Path(scratch) / version
        root.mkdir()
        yield root
        shutil.rmtree(final, ignore_errors=True)
        root.rename(final)


@contextlib.contextmanager
def _only_one(folder: Path) -> Generator[None]:
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=1)
    except Timeout:
        say("another process is preparing the engine; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def find_engine() -> Engine | None:
    """The engine `ensure_engine` would use when it is there already; installs and builds nothing."""
    for way in (_on_path, _in_cache):
        with contextlib.suppress(NotHereError, OSError):
            return way()
    return None
