"""Draws the pictures of docs/architecture.md from the code, as Mermaid, which GitHub shows.

`python -m pipelines.diagrams FILE` writes each between its marks; `--check` only says whether they are current.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pipelines.stacks import stacks

PACKAGES = ("components", "deployment", "pipelines", "policies", "sandbox", "settings", "ship")
SECTIONS = ("registry", "build", "service", "verify", "github")
MARKS = re.compile(r"(<!-- drawn: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def draw(folder: Path) -> dict[str, str]:
    """Picture by name, of the checkout in `folder`."""
    return {
        "stacks": _stacks(folder),
        "packages": _packages(folder),
        "release": _release(folder),
        "components": _components(folder),
    }


def filled(text: str, pictures: dict[str, str]) -> str:
    """A document with every picture drawn anew.

    Raises:
        KeyError: it asks for a picture that nobody draws.
    """
    return MARKS.sub(lambda found: f"{found[1]}```mermaid\n{pictures[found[2]]}\n```\n{found[3]}", text)


def _stacks(folder: Path) -> str:
    """Each stack file with its sections, and what it promotes from."""
    lines = ["flowchart LR"]
    for name, config in stacks(folder).items():
        has = ", ".join(section for section in SECTIONS if config.get(section))
        runtime = (config.get("service") or {}).get("runtime")
        lines.append(f'  {name}["<b>{name}</b><br>{has}{f"<br>on {runtime}" if runtime else ""}"]')
    for name, config in stacks(folder).items():
        if config.get("promoteFrom"):
            lines.append(f"  {config['promoteFrom']} -- digest --> {name}")
    return "\n".join(lines)


def _packages(folder: Path) -> str:
    """Who imports whom, the program at the top."""
    edges = {("program", package) for package in _imports(folder / "__main__.py")}
    for package in PACKAGES:
        for file in (folder / package).rglob("*.py"):
            edges |= {(package, other) for other in _imports(file) if other != package}
    names = {"program": '  program(["__main__.py"])'}
    lines = [names.get(one, f"  {one}[{one}/]") for one in sorted({name for edge in edges for name in edge})]
    return "\n".join(["flowchart TD", *lines, *[f"  {a} --> {b}" for a, b in sorted(edges)]])


def _imports(file: Path) -> set[str]:
    """Our packages that a file imports at its top or where it needs them."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        found |= {name.partition(".")[0] for name in names}
    return found & set(PACKAGES)


def _release(folder: Path) -> str:
    """What each workflow does to stacks, in the order of a release."""
    lines = ["sequenceDiagram", "  participant git", "  participant CI"]
    lines += [f"  participant {stack}" for stack in ("release", "staging", "prod")]
    lines.append("  participant every as every stack")
    for workflow in ("preview", "staging", "production", "drift"):
        text = (folder / ".github" / "workflows" / f"{workflow}.yml").read_text(encoding="utf-8")
        lines.append(f"  git->>CI: {workflow}.yml")
        for command in re.findall(r"run: ((?:ship|python -m pipelines) .*)", text):
            lines.append(f"  CI->>{_target(command)}: {command.removeprefix('python -m ')}".replace('"', ""))
    return "\n".join(lines)


def _target(command: str) -> str:
    """Whom a workflow's command is about."""
    if re.search(r"pipelines (changed|comment|record)", command):
        return "git"
    if "$STACK" in command:
        return "every"
    words = re.sub(r"--from \S+", "", command).split()
    return next(word for word in reversed(words) if word in ("release", "staging", "prod"))


def _components(folder: Path) -> str:
    """Each component and the resources that its file, or a file of its own prefix, creates."""
    lines = ["flowchart LR"]
    for name, kinds in _made(folder):
        lines.append(f"  {name}([{name}])")
        lines += [f'  {name} --> {name}_{number}["{kind}"]' for number, kind in enumerate(kinds)]
    return "\n".join(lines)


def _made(folder: Path) -> Iterator[tuple[str, list[str]]]:
    files = {file.stem: file.read_text(encoding="utf-8") for file in (folder / "components").glob("*.py")}
    for stem, text in sorted(files.items()):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef) and "ComponentResource" in map(_last, node.bases):
                prefix = stem.removesuffix("_service")
                parts = [
                    other for name, other in files.items() if name == stem or name.startswith(f"{prefix}_")
                ]
                kinds = {kind for part in parts for kind in _resources(part)}
                yield node.name, sorted(kinds)


def _last(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]


def _resources(text: str) -> Iterator[str]:
    """The providers' resources that a file creates: calls that hand over `opts`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and any(word.arg == "opts" for word in node.keywords):
            name = ast.unparse(node.func)
            if (
                re.match(r"(aws|docker|core|apps|batch|policy|networking|autoscaling|rbac)\.", name)
                and _last(node.func)[0].isupper()
            ):
                yield name


def main() -> int:
    """0 when the file is (or was made) current, 1 when `--check` finds it is not."""
    file = Path(next(one for one in sys.argv[1:] if not one.startswith("-")))
    before = file.read_text(encoding="utf-8")
    after = filled(before, draw(Path.cwd()))
    if "--check" in sys.argv:
        return 0 if before == after else 1
    file.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
