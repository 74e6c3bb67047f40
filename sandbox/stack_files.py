"""Stack files kept as they are in git while `pulumi` works with the sandbox's passphrase.

At almost every command the CLI writes `encryptionsalt` into `Pulumi.<stack>.yaml` and lays the whole file out
anew. The salt belongs to this sandbox's generated passphrase and is kept in the state too, from where the CLI
takes it (`PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER`); so it goes out of the file again after each command.
`main` is what runs as `pulumi` where the sandbox's environment is set.
"""

import contextlib
import hashlib
import os
import re
import shlex
import signal
import site
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

SALT = re.compile(rb"^encryptionsalt: *(\S+)\s*?\n?", re.MULTILINE)
PIP_LISTING = Path(__file__).resolve().parent / "pip_listing"
"""See `pip.py` in it: a second less for every command."""

SHIM = """\
#!/bin/sh
# antgent sandbox: runs the real engine, and keeps the salt of its passphrase out of the stack files.
exec {} "$@"
"""


def main(pulumi: Path, home: Path, arguments: Sequence[str]) -> int:
    """Run the real `pulumi` with `arguments`, restore the stack files, and return its exit code.

    A Ctrl-C reaches the engine by itself, which then ends gracefully; this waits for it. A SIGTERM is
    passed on.
    """
    # An inherited passphrase would win over the sandbox's own.
    os.environ.pop("PULUMI_CONFIG_PASSPHRASE", None)
    more = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{PIP_LISTING}{os.pathsep}{more}" if more else str(PIP_LISTING)
    # Not SIG_IGN: the engine would inherit that.
    signal.signal(signal.SIGINT, lambda *_: None)
    engines: list[subprocess.Popen[bytes]] = []
    asked: list[int] = []

    def end(number: int, _frame: object) -> None:
        asked.append(number)
        for engine in engines:
            engine.terminate()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    with unsalted(_project(arguments), home):
        engines.append(subprocess.Popen([pulumi, *arguments]))
        if asked:  # while it was being started
            engines[0].terminate()
        code = engines[0].wait()
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def unsalted(project: Path, home: Path) -> Generator[None]:
    """Run a block that may salt the stack files of the folder `project`, and put them back after it.

    Args:
        project: the folder of Pulumi.yaml.
        home: the sandbox's Pulumi folder: `state` holds the backend, `stack-files` the last files that
            had no salt.

    A file whose content the block changed keeps that change and loses its salt only. A salt that the
    backend's state does not hold is somebody's own and stays. Works after a killed command, and with two
    at once.
    """
    memory = home / "stack-files" / hashlib.sha256(bytes(project.resolve())).hexdigest()[:12]
    memory.mkdir(parents=True, exist_ok=True, mode=0o700)
    before = {}
    for file in project.glob("Pulumi.*.yaml"):
        text = file.read_bytes()
        if not SALT.search(text):
            before[file.name] = text
            _write(memory / file.name, text)
    try:
        yield
    finally:
        for file in project.glob("Pulumi.*.yaml"):
            _restore(file, before.get(file.name), memory / file.name, home / "state")


def _restore(file: Path, before: bytes | None, remembered: Path, state: Path) -> None:
    text = file.read_bytes()
    salt = SALT.search(text)
    if not salt or not _held(salt[1], state):
        return
    clean = SALT.sub(b"", text)
    originals = [before, remembered.read_bytes() if remembered.exists() else None]
    for original in originals:
        if original is not None and _same(original, clean):
            _write(file, original)
            return
    # A file that the CLI made only to keep its salt goes, else what the person wrote meanwhile stays.
    if clean.strip() in (b"", b"{}"):
        file.unlink()
    else:
        _write(file, clean)


def _held(salt: bytes, state: Path) -> bool:
    return any(salt in stack.read_bytes() for stack in state.glob(".pulumi/stacks/**/*.json"))


def _same(one: bytes, other: bytes) -> bool:
    # A tenth of a second that most commands do without.
    site.main()
    import yaml

    with contextlib.suppress(yaml.YAMLError):
        return (yaml.safe_load(one) or {}) == (yaml.safe_load(other) or {})
    return False


def _write(file: Path, text: bytes) -> None:
    """Replace a file's text at once, so that nobody reads half of it; its mode stays."""
    file = file.resolve()
    if file.exists() and file.read_bytes() == text:
        return
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    scratch.write_bytes(text)
    scratch.chmod(file.stat().st_mode & 0o777 if file.exists() else 0o644)
    scratch.replace(file)


def _project(arguments: Sequence[str]) -> Path:
    """The folder of Pulumi.yaml that `pulumi` will use: the nearest one upwards of `--cwd` or here."""
    here = Path.cwd()
    for number, argument in enumerate(arguments):
        if argument in ("-C", "--cwd") and number + 1 < len(arguments):
            here = here / arguments[number + 1]
        elif argument.startswith("--cwd="):
            here = here / argument.removeprefix("--cwd=")
    return next((folder for folder in (here, *here.parents) if (folder / "Pulumi.yaml").exists()), here)


def install_shim(folder: Path, pulumi: Path, home: Path) -> None:
    """Put a `pulumi` into `folder` that keeps the stack files clean and runs the real `pulumi`."""
    # Isolated (-I): neither PYTHONPATH nor the current folder changes what is imported. Without
    # site-packages (-S): what is installed there may do much at every start.
    command = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(pulumi), str(home)]
    _write(folder / "pulumi", SHIM.format(shlex.join(command)).encode())
    (folder / "pulumi").chmod(0o755)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
