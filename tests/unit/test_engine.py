"""How the sandbox comes to an engine, with small stand-ins for programs that are slow or far away."""

import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sandbox import engine as engines
from sandbox import vendor
from sandbox.engine import HELPERS, Engine, ensure_engine
from sandbox.engine_env import engine_env
from sandbox.errors import SandboxError
from sandbox.paths import CHECKOUT, Home

# Makes what the official installer would make, slowly, and notes that it ran.
INSTALLER = """
import pathlib, sys, time
root = pathlib.Path(sys.argv[1])
with (pathlib.Path({notes!r}) / "installs").open("a") as notes: notes.write("one\\n")
time.sleep(0.5)
(root / "bin").mkdir(parents=True)
for name in {names!r}:
    (root / "bin" / name).write_text("#!/bin/sh\\n"); (root / "bin" / name).chmod(0o755)
"""

# A `go` that is new enough, and makes an empty program of whatever it is asked to build.
GO = """\
case "$1" in
  env) echo go1.26.0 ;;
  list) echo "{source}" ;;
  build) while [ "$1" != -o ]; do shift; done; printf '#!/bin/sh\\n' > "$2"; chmod 755 "$2" ;;
esac
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, nothing of use on PATH, and no way out."""
    monkeypatch.setenv("ANTGENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setattr(vendor, "SITE", "http://127.0.0.1:1/")
    return tmp_path / "cache"


def executable(file: Path, script: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def pulumi_at(folder: Path, version: str, helpers: tuple[str, ...] = HELPERS) -> Path:
    executable(folder / "pulumi", f"echo v{version}")
    for name in helpers:
        executable(folder / name)
    return folder


def on_path(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([*map(str, folders), "/usr/bin:/bin"]))


def with_installer(monkeypatch: pytest.MonkeyPatch, notes: Path, names: tuple[str, ...]) -> None:
    monkeypatch.setattr(engines, "vendor_reachable", lambda: True)
    monkeypatch.setattr(engines, "INSTALLER", INSTALLER.format(notes=str(notes), names=names))


def test_a_supported_pulumi_on_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who has Pulumi gets no second one."""
    on_path(monkeypatch, pulumi_at(tmp_path / "tools", "3.240.1"))
    assert ensure_engine() == Engine("3.240.1", tmp_path / "tools", "PATH")


def test_helpers_may_lie_elsewhere_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Distributions put the language host where they like."""
    on_path(monkeypatch, pulumi_at(tmp_path / "a", "3.240.1", ()), pulumi_at(tmp_path / "b", "1.0.0"))
    assert ensure_engine().bin == tmp_path / "a"


def test_the_newest_complete_engine_of_the_cache_is_next(cache: Path) -> None:
    """An engine installed before is found again, and a half one is not."""
    pulumi_at(cache / "engine/3.256.0/bin", "3.256.0")
    pulumi_at(cache / "engine/3.9999.0/bin", "3.9999.0", HELPERS[:1])
    pulumi_at(cache / "engine/3.240.0/bin", "3.240.0")
    assert ensure_engine() == Engine("3.256.0", cache / "engine/3.256.0/bin", "cache")


def test_the_sandboxs_own_pulumi_on_path_counts_as_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `eval "$(make -s env)"`, `make up` must not take its own shim for the user's Pulumi."""
    real = pulumi_at(cache / "engine/3.256.0/bin", "3.256.0")
    env = engine_env(ensure_engine(), Home(tmp_path / "home"))
    monkeypatch.setenv("PATH", env["PATH"])
    assert ensure_engine() == Engine("3.256.0", real, "cache")


def test_the_official_install_is_next(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a connected machine the vendor's own build is right, kept under its version."""
    with_installer(monkeypatch, tmp_path, ("pulumi", *HELPERS))
    installed = ensure_engine()
    assert (installed.origin, installed.bin.parent.parent) == ("official install", cache / "engine")
    assert ensure_engine() == Engine(installed.version, installed.bin, "cache")


def test_two_at_once_install_once(tmp_path: Path, cache: Path) -> None:
    """Two shells that both say `make up` share one install; the second waits."""
    script = textwrap.dedent(f"""
        from sandbox import engine
        engine.vendor_reachable = lambda: True
        engine.INSTALLER = {INSTALLER.format(notes=str(tmp_path), names=("pulumi", *HELPERS))!r}
        print(engine.ensure_engine().bin)
    """)
    command = [sys.executable, "-c", script]
    both = [subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = {process.communicate(timeout=60)[0].strip() for process in both}
    assert len(folders) == 1
    assert folders.pop().startswith(str(cache))
    assert (tmp_path / "installs").read_text() == "one\n"


def test_a_half_install_leaves_nothing(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut download must not be taken for an engine by the next run."""
    with_installer(monkeypatch, tmp_path, ("pulumi",))
    with pytest.raises(SandboxError, match="official install: the download is incomplete"):
        ensure_engine()
    assert [file.name for file in (cache / "engine").iterdir()] == [".lock"]


def test_the_go_build_is_the_last_way(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the vendor cannot be reached the engine is built, and comes with the SDK's two scripts."""
    source = tmp_path / "source"
    executable(source / "python/cmd/pulumi-language-python-exec", "echo start script")
    executable(source / "python/dist/pulumi-resource-pulumi-python").chmod(0o444)
    (source / "LICENSE").write_text("free")
    on_path(monkeypatch, executable(tmp_path / "go/go", GO.format(source=source)).parent)
    built = ensure_engine()
    assert built == Engine("3.256.0", cache / "engine/3.256.0/bin", "built")
    assert "start script" in (built.bin / HELPERS[1]).read_text()
    assert all(os.access(built.bin / name, os.X_OK) for name in ("pulumi", *HELPERS))


def test_when_nothing_works_everything_tried_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person without an engine sees each way, why it failed, and one thing to do."""
    old, alone = pulumi_at(tmp_path / "old", "3.100.0", ()), pulumi_at(tmp_path / "alone", "3.250.0", ())
    on_path(monkeypatch, old, alone)
    with pytest.raises(SandboxError) as failure:
        ensure_engine()
    report = failure.value.problem
    assert f"PATH: {tmp_path}/old/pulumi is v3.100.0; supported is 3.230.0 to 3.x" in report
    assert f"{tmp_path}/alone/pulumi has no {HELPERS[0]}" in report
    assert "cache: nothing complete" in report
    assert "official install: the vendor's download site" in report
    assert "build from Go modules: a Go compiler is needed, there is no Go on PATH" in report
    assert "put Pulumi 3.230.0 or newer on PATH" in failure.value.fix


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full or read-only disk is a cause like any other."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ANTGENT_CACHE", str(tmp_path / "file"))
    with pytest.raises(SandboxError, match=f"{tmp_path}/file"):
        ensure_engine()


def test_an_unreachable_vendor_is_asked_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a way out does not wait for it at every command."""
    asked = []
    monkeypatch.setattr(vendor, "_answers", lambda url: bool(asked.append(url)))
    assert [vendor.vendor_reachable(), vendor.vendor_reachable()] == [False, False]
    assert len(asked) == 1
    (cache / "vendor.json").write_text("half a fi")
    assert vendor.vendor_reachable() is False
    assert len(asked) == 2, "a broken memory is as good as none"


def test_a_dead_address_is_noticed_within_seconds() -> None:
    """The real question, to a port where nobody listens."""
    assert vendor._answers(vendor.SITE) is False


def test_the_passphrase_is_made_once_and_shown_to_nobody(cache: Path, tmp_path: Path) -> None:
    """Only its owner reads it, it never changes, and no variable carries it."""
    home, engine = Home(tmp_path / "home"), Engine("3.256.0", cache, "cache")
    first = engine_env(engine, home)
    file = Path(first["PULUMI_CONFIG_PASSPHRASE_FILE"])
    passphrase = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(passphrase.strip()) >= 40
    assert engine_env(engine, home) == first
    assert file.read_text() == passphrase
    assert passphrase.strip() not in "".join(first.values())


def test_a_lost_passphrase_is_not_replaced_while_stacks_need_it(cache: Path, tmp_path: Path) -> None:
    """A new one would turn every secret of the old state into an obscure failure."""
    home, engine = Home(tmp_path / "home"), Engine("3.256.0", cache, "cache")
    env = engine_env(engine, home)
    state = home.folder("pulumi") / "state/.pulumi/stacks/antgent"
    state.mkdir(parents=True)
    (state / "local.json").write_text("{}")
    Path(env["PULUMI_CONFIG_PASSPHRASE_FILE"]).unlink()
    with pytest.raises(SandboxError, match="passphrase of this sandbox's stacks is gone"):
        engine_env(engine, home)


def test_a_home_that_cannot_be_written_is_told_with_the_way_out(cache: Path, tmp_path: Path) -> None:
    """No traceback for a path that is a file, or a disk that is full."""
    (tmp_path / "home").write_text("")
    with pytest.raises(SandboxError, match="ANTGENT_SANDBOX_HOME"):
        engine_env(Engine("3.256.0", cache, "cache"), Home(tmp_path / "home"))


def test_plugins_are_not_tried_where_they_cannot_be_had(cache: Path, tmp_path: Path) -> None:
    """It costs seconds at every command; and the program's own Python comes first after the shims."""
    env = engine_env(Engine("3.256.0", cache, "cache"), Home(tmp_path / "home"))
    assert env["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
    folders = env["PATH"].split(os.pathsep)
    assert folders[:3] == [str(tmp_path / "home/pulumi/bin"), str(cache), str(Path(sys.executable).parent)]
