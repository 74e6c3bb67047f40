"""The cluster's programs, built once from Go modules and kept in the user's cache."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from sandbox import gobuild
from sandbox.cluster.versions import COMPONENTS, COREDNS, KUBERNETES, METRICS_SERVER, PAUSE, ldflags
from sandbox.console import step
from sandbox.paths import cache_dir

MODULES = Path(gobuild.__file__).parent / "go"


@dataclass(frozen=True)
class Recipe:
    """One Go module of ours and what is built from it.

    Args:
        name: its folder in the cache.
        version: of what is built; the cache is keyed by it.
        targets: binary name to package.
        takes: how long a cold build takes on two cores, for the progress line.
        ldflags: for the linker. Defaults to stripping debug symbols.
        module: its folder in `sandbox/go`. Defaults to its name.
    """

    name: str
    version: str
    targets: Mapping[str, str] = field(hash=False)
    takes: str
    ldflags: str = "-s -w"
    module: str = ""

    @property
    def folder(self) -> Path:
        return cache_dir() / self.name / self.version / "bin"

    @property
    def source(self) -> Path:
        return MODULES / (self.module or self.name)

    @property
    def missing(self) -> bool:
        return not all((self.folder / name).exists() for name in self.targets)


CONTROL_PLANE = Recipe("kubernetes", KUBERNETES, {name: f"k8s.io/kubernetes/cmd/{name}" for name in COMPONENTS},
                       "about 14 minutes", ldflags())  # fmt: skip
NODE = (
    Recipe("pause", PAUSE, {"pause": "."}, "seconds"),
    Recipe("coredns", COREDNS, {"coredns": "."}, "about 3 minutes"),
    # In one Go module with Kubernetes, so that the libraries they share are compiled once.
    Recipe("metrics-server", METRICS_SERVER,
           {"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"}, "seconds", module="kubernetes"),
)  # fmt: skip


def ensure_programs(*, node: bool) -> Path:
    """Build what is missing; returns the folder of the Kubernetes programs.

    Safe when two processes ask at once: the second waits for the first. Raises SandboxError with
    the compiler's last lines.
    """
    for recipe in (CONTROL_PLANE, *(NODE if node else ())):
        if recipe.missing:
            _build(recipe)
    return CONTROL_PLANE.folder


def program(name: str) -> Path:
    """The path of one of the node's programs: pause, coredns or metrics-server."""
    return next(recipe.folder / name for recipe in NODE if name in recipe.targets)


def _build(recipe: Recipe) -> None:
    recipe.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(recipe.folder.parent / ".lock"):
        missing = {
            name: package for name, package in recipe.targets.items() if not (recipe.folder / name).exists()
        }
        if missing:
            with step(f"building {recipe.name} {recipe.version} from its Go modules ({recipe.takes}, once)"):
                gobuild.build(recipe.source, missing, recipe.folder, ldflags=recipe.ldflags)
