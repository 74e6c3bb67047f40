"""Writes a deployed tag into the stack files, as a pull request: what git says is what automation deploys."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.github import Api
from settings.stackfile import read, stack_file
from ship.stack_file import edit

KEY = "antgent:imageTag"


def record(api: Api, tag: str, stacks: Sequence[str]) -> str | None:
    """Propose the tag for the files of these stacks.

    Returns:
        The pull request's address; None where the files say so already.
    """
    behind = [stack for stack in stacks if read(Path(stack_file(stack))).get(KEY) != tag]
    if not behind:
        return None
    contents = {}
    for stack in behind:
        path = Path(stack_file(stack))
        _, contents[path.name] = edit(path, {"imageTag": tag})
    title = f"{' and '.join(behind)}: {tag}"
    body = (
        f"`{tag}` was released and runs on `{behind[-1]}`. Until this is merged, the stack files still say "
        "what ran before, and the next push would deploy that again."
    )
    return api.propose(f"release/{tag}", contents, title, body)
