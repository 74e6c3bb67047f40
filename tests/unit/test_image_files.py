"""The files of image/: what they do without Docker."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from image.checkout import stage
from image.lock import LockError, checkout_version, lock_checkout, pins_file

IMAGE = Path(__file__).parents[2] / "image"


def script(name: str):
    """One of the build's scripts as a module; the folder is called build and is no package."""
    found = importlib.util.spec_from_file_location(f"image_build_{name}", IMAGE / "build" / f"{name}.py")
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


# the pins


def test_every_pin_has_hashes_and_no_pin_names_an_index() -> None:
    """pip refuses a pin without a hash at build time, on a machine that may not be ours; see it here."""
    for file in (IMAGE / "pins").glob("*.txt"):
        text = file.read_text()
        assert "://" not in text
        assert "index" not in text
        for requirement in script("pins").requirements(text):
            assert "==" in requirement
            assert "--hash=sha256:" in requirement


def test_a_release_changes_antgent_and_leaves_its_dependencies_alone(tmp_path: Path) -> None:
    """Equal dependencies, byte for byte, are what lets the next release's build and push skip them."""
    for version in ("0.3.1", "0.3.2"):
        assert script("pins").main(IMAGE / "pins", tmp_path / version, version) == 0
    first, second = (tmp_path / version for version in ("0.3.1", "0.3.2"))
    assert (first / "dependencies.txt").read_bytes() == (second / "dependencies.txt").read_bytes()
    assert (first / "antgent.txt").read_text().startswith("antgent==0.3.1")
    assert (second / "antgent.txt").read_text().startswith("antgent==0.3.2")


def test_a_version_without_pins_is_an_error_that_names_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The build's last line is all a person sees of it."""
    assert script("pins").main(IMAGE / "pins", tmp_path / "out", "9.9.9") == 1
    assert "fix: python image/lock.py 9.9.9" in capsys.readouterr().err


# a checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A source folder that calls itself antgent 0.3.2, which has pins."""
    folder = tmp_path / "source"
    (folder / "antgent").mkdir(parents=True)
    (folder / "antgent" / "__init__.py").write_text('__version__ = "0.3.2"\n')
    (folder / "pyproject.toml").write_text('[project]\nname = "antgent"\ndynamic = ["version"]\n')
    (folder / ".venv").mkdir()
    return folder


def test_a_checkout_becomes_a_build_context_with_the_image_s_files(checkout: Path, tmp_path: Path) -> None:
    """Docker sees one folder, so both must be in it; a virtual environment must not."""
    staged = stage(checkout, tmp_path / "context")
    assert staged.version == "0.3.2"
    assert (staged.context / "Dockerfile").read_text() == (IMAGE / "Dockerfile").read_text()
    assert (staged.context / "checkout" / "antgent" / "__init__.py").exists()
    assert not (staged.context / "checkout" / ".venv").exists()


def test_what_git_ignores_stays_out_of_the_image(checkout: Path, tmp_path: Path) -> None:
    """A developer's .env is ignored by git and must not be shipped."""
    subprocess.run(["git", "init", "-q", str(checkout)], check=True)
    (checkout / ".gitignore").write_text(".env\n")
    (checkout / ".env").write_text("SECRET=1")
    staged = stage(checkout, tmp_path / "context")
    assert not (staged.context / "checkout" / ".env").exists()
    assert (staged.context / "checkout" / "pyproject.toml").exists()


def test_a_folder_that_is_not_antgent_is_refused(tmp_path: Path) -> None:
    """Found before anything is copied, with the fix."""
    with pytest.raises(LockError, match=r"no pyproject\.toml(.|\n)*fix:"):
        checkout_version(tmp_path)


def test_a_checkout_cannot_overwrite_the_pins_of_a_published_version(checkout: Path) -> None:
    """The published release must stay installable."""
    with pytest.raises(LockError, match="give the checkout a version of its own"):
        lock_checkout(checkout)
    assert "antgent==0.3.2" in pins_file("0.3.2").read_text()


# the build's scripts


def test_a_library_without_its_symbols_still_loads(tmp_path: Path) -> None:
    """The stripper cuts files by their headers; a wrong cut would crash antgent at import."""
    import pydantic_core._pydantic_core as original

    library = tmp_path / "_pydantic_core.so"
    shutil.copy(original.__file__, library)
    script("trim").strip(library)
    load = f"import ctypes; ctypes.PyDLL({str(library)!r}).PyInit__pydantic_core"
    subprocess.run([sys.executable, "-c", load], check=True)
    assert library.stat().st_size <= Path(original.__file__).stat().st_size


def test_trimming_removes_files_and_keeps_packages(tmp_path: Path) -> None:
    """`pip check` and every import must still work on what is left."""
    packages = tmp_path / "lib" / "python3.13" / "site-packages"
    for name in ("a/__init__.py", "a/tests/test_a.py", "a/types.pyi", "a-1.dist-info/METADATA",
                 "botocore/data/s3/x.json.gz", "botocore/data/ec2/x.json.gz"):  # fmt: skip
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text("")
    script("trim").main(tmp_path)
    left = {str(file.relative_to(packages)) for file in packages.rglob("*") if file.is_file()}
    assert left == {"a/__init__.py", "a-1.dist-info/METADATA", "botocore/data/s3/x.json.gz"}


def test_the_dockerfile_pulls_nothing_but_its_base() -> None:
    """A `# syntax=` line is an image pulled from a registry, which the sandbox does not reach."""
    lines = (IMAGE / "Dockerfile").read_text().splitlines()
    assert not any(line.replace(" ", "").startswith("#syntax=") for line in lines)
    stages = {line.split(" AS ")[1] for line in lines if line.startswith("FROM ") and " AS " in line}
    bases = {line.split()[1] for line in lines if line.startswith("FROM ")}
    assert bases - stages == {"${BUILDER_IMAGE}", "${BASE_IMAGE}", "app-${SOURCE}"}
