"""The environment in which `pulumi` works for one sandbox."""

import os
import secrets
import sys
import tempfile
from pathlib import Path

from sandbox.engine import Engine
from sandbox.errors import SandboxError
from sandbox.paths import Home
from sandbox.stack_files import install_shim
from sandbox.vendor import vendor_reachable


def engine_env(engine: Engine, home: Home) -> dict[str, str]:
    """What to add to the environment so that plain `pulumi` works on this sandbox's state.

    State, plugins and workspace settings lie under `home`, apart from the user's own; secrets are encrypted
    with a passphrase that is made once (a file of mode 0600, named here and never printed). Where Pulumi's
    downloads cannot be had, the engine is told not to try them at every command.

    Raises SandboxError when the home cannot be written, or when its passphrase is gone but its state is not.
    """
    try:
        root = home.folder("pulumi")
        state, own, shims = (home.folder(f"pulumi/{name}") for name in ("state", "home", "bin"))
        passphrase = _passphrase(root / "passphrase", state)
        install_shim(shims, engine.bin / "pulumi", root)
    except OSError as error:
        problem = f"the sandbox's folder cannot be written: {error}"
        raise SandboxError(problem, fix=f"make {home.root} writable, or set ANTGENT_SANDBOX_HOME") from error
    additions = {
        "PATH": _path(shims, engine.bin),
        "PULUMI_BACKEND_URL": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
        "PULUMI_HOME": str(own),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
    }
    if not vendor_reachable():
        additions["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    return additions


def _path(*first: Path) -> str:
    # The language host built here knows no `virtualenv` option: it takes the first `python` on PATH.
    folders = [*map(str, first), str(Path(sys.executable).parent), *os.get_exec_path()]
    return os.pathsep.join(dict.fromkeys(folders))


def _passphrase(file: Path, state: Path) -> Path:
    if not file.exists():
        if any(state.glob(".pulumi/stacks/**/*.json")):
            raise SandboxError(
                f"the passphrase of this sandbox's stacks is gone: {file}",
                fix=f"put it back, or forget the stacks: rm -r {state}",
            )
        _make_once(file)
    if not file.read_text().strip():
        raise SandboxError(f"the passphrase file is empty: {file}", fix=f"rm {file}")
    file.chmod(0o600)
    return file


def _make_once(file: Path) -> None:
    """Write a new passphrase; of two processes that do, the first wins."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent) as scratch:
        scratch.write(secrets.token_urlsafe(32) + "\n")
        scratch.flush()
        try:
            os.link(scratch.name, file)
        except FileExistsError:
            return
