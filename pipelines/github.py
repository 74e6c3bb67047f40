"""GitHub as a workflow's step sees it: the event, the step's files, and the API calls that we need."""

import json
import os
import sys
import uuid
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from pipelines.errors import PipelineError

API_VERSION = "2022-11-28"
COMMENT_LIMIT = 65_536
"""Characters that GitHub takes in a comment or an issue."""
SUMMARY_LIMIT = 1_000_000
"""Characters of a job summary; GitHub takes 1 MiB a step."""


@dataclass(frozen=True)
class Workflow:
    """The workflow run that this process is a step of; empty on a laptop.

    Args:
        repository: `owner/name`.
        event: what triggered it, as GitHub sent it.
        env: the step's environment.
    """

    repository: str
    event: Mapping[str, Any]
    env: Mapping[str, str] = field(repr=False)

    @classmethod
    def current(cls, env: Mapping[str, str] | None = None) -> "Workflow":
        """The run that the environment describes.

        Raises:
            PipelineError: its event cannot be read.
        """
        env = os.environ if env is None else env
        event: Any = {}
        path = env.get("GITHUB_EVENT_PATH")
        if path:
            try:
                event = json.loads(Path(path).read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise PipelineError(f"GITHUB_EVENT_PATH names {path}, which is no event: {error}") from None
        return cls(env.get("GITHUB_REPOSITORY", ""), event, env)

    @property
    def pull_request(self) -> int | None:
        """The number of the pull request that the event is about."""
        return (self.event.get("pull_request") or {}).get("number")

    @property
    def run_url(self) -> str:
        """Where this run is seen; empty outside of GitHub."""
        run = self.env.get("GITHUB_RUN_ID")
        server = self.env.get("GITHUB_SERVER_URL", "https://github.com")
        return f"{server}/{self.repository}/actions/runs/{run}" if run and self.repository else ""

    def output(self, name: str, value: str) -> None:
        """Hand a value to later steps; on a laptop it is printed."""
        if not self._append("GITHUB_OUTPUT", _heredoc(name, value)):
            print(f"{name}={value}")

    def summary(self, markdown: str) -> None:
        """Add to the job's summary page; on a laptop it is printed to stderr."""
        text = markdown if len(markdown) <= SUMMARY_LIMIT else markdown[:SUMMARY_LIMIT] + "\n…\n"
        if not self._append("GITHUB_STEP_SUMMARY", text + "\n"):
            print(text, file=sys.stderr)

    def path(self, *folders: str) -> None:
        """Put folders on the PATH of later steps; on a laptop they are printed."""
        # The runner puts each line before the ones it has, so the first folder comes last.
        if not self._append("GITHUB_PATH", "".join(f"{folder}\n" for folder in reversed(folders))):
            print(os.pathsep.join(folders))

    def api(self) -> "Api":
        """GitHub's API for this repository.

        Raises:
            PipelineError: there is no token, or no repository.
        """
        token = self.env.get("GITHUB_TOKEN", "")
        if not token or not self.repository:
            missing = "GITHUB_TOKEN" if self.repository else "GITHUB_REPOSITORY"
            raise PipelineError(
                f"{missing} is not set, so GitHub cannot be asked",
                fix="run it as a workflow's step, with env",
            )
        address = self.env.get("GITHUB_API_URL", "https://api.github.com")
        return Api(address, self.repository, token)

    def _append(self, variable: str, text: str) -> bool:
        path = self.env.get(variable)
        if not path:
            return False
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
        return True


def _heredoc(name: str, value: str) -> str:
    """A value as GITHUB_OUTPUT takes it; the delimiter cannot be foreseen, so no value can end itself."""
    mark = f"end-{uuid.uuid4().hex}"
    return f"{name}<<{mark}\n{value}\n{mark}\n"


class Api:
    """The calls that the pipelines make.

    Args:
        address: GITHUB_API_URL.
        repository: `owner/name`.
        token: never printed.
    """

    def __init__(self, address: str, repository: str, token: str) -> None:
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "X-GitHub-Api-Version": API_VERSION,
        }
        transport = httpx.HTTPTransport(retries=3)
        self._client = httpx.Client(headers=headers, timeout=30, transport=transport)
        self._base = f"{address.rstrip('/')}/repos/{repository}"

    def keep_comment(self, pull_request: int, marker: str, body: str) -> str:
        """Post a comment, or update the one that holds `marker`; returns its address."""
        for comment in self._all(f"/issues/{pull_request}/comments"):
            if comment["body"].startswith(marker) and comment["user"]["type"] == "Bot":
                return self._send("PATCH", f"/issues/comments/{comment['id']}", {"body": body})["html_url"]
        return self._send("POST", f"/issues/{pull_request}/comments", {"body": body})["html_url"]

    def keep_issue(self, marker: str, title: str, body: str, label: str) -> str:
        """Open an issue, or update the open one that holds `marker`; returns its address."""
        found = self._issue(marker, label)
        if found:
            wanted = {"title": title, "body": body}
            return self._send("PATCH", f"/issues/{found['number']}", wanted)["html_url"]
        return self._send("POST", "/issues", {"title": title, "body": body, "labels": [label]})["html_url"]

    def close_issue(self, marker: str, label: str, why: str) -> str | None:
        """Close the open issue that holds `marker`; its address, None where there is none."""
        found = self._issue(marker, label)
        if not found:
            return None
        self._send("POST", f"/issues/{found['number']}/comments", {"body": why})
        wanted = {"state": "closed", "state_reason": "completed"}
        return self._send("PATCH", f"/issues/{found['number']}", wanted)["html_url"]

    def pull_request_state(self, number: int) -> str:
        """`open` or `closed`; `closed` too where there is no such pull request."""
        return self._get(f"/pulls/{number}", absent=True).get("state", "closed")

    def propose(self, branch: str, files: Mapping[str, bytes], title: str, body: str) -> str:
        """Open a pull request that changes files; the open one of the same branch is updated.

        Args:
            branch: made from the default branch where it is not there.
            files: path → new content.

        Returns:
            Its address.
        """
        main = self._get("")["default_branch"]
        head = self._get(f"/git/ref/heads/{main}")["object"]["sha"]
        if not self._get(f"/git/ref/heads/{branch}", absent=True):
            self._send("POST", "/git/refs", {"ref": f"refs/heads/{branch}", "sha": head})
        for path, content in files.items():
            known = self._get(f"/contents/{path}?ref={branch}", absent=True)
            wanted = {"message": title, "branch": branch, "content": b64encode(content).decode()}
            self._send("PUT", f"/contents/{path}", wanted | ({"sha": known["sha"]} if known else {}))
        owner = self._base.rpartition("/repos/")[2].partition("/")[0]
        for found in self._all("/pulls", {"state": "open", "head": f"{owner}:{branch}"}):
            return found["html_url"]
        wanted = {"title": title, "body": body, "head": branch, "base": main}
        return self._send("POST", "/pulls", wanted)["html_url"]

    def _get(self, path: str, *, absent: bool = False) -> dict[str, Any]:
        """One object; an empty one where it may be absent and is."""
        answer = self._ask("GET", f"{self._base}{path}")
        if absent and answer.status_code == httpx.codes.NOT_FOUND:
            return {}
        return self._checked(answer).json()

    def _issue(self, marker: str, label: str) -> dict[str, Any] | None:
        for issue in self._all("/issues", {"state": "open", "labels": label}):
            if (issue.get("body") or "").startswith(marker) and "pull_request" not in issue:
                return issue
        return None

    def _all(self, path: str, query: Mapping[str, str] = {}) -> Iterator[dict[str, Any]]:
        """Every item of a listing, page after page."""
        url: str | None = str(httpx.URL(f"{self._base}{path}", params={**query, "per_page": "100"}))
        while url:
            answer = self._checked(self._ask("GET", url))
            yield from answer.json()
            url = answer.links.get("next", {}).get("url")

    def _send(self, method: str, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
        return self._checked(self._ask(method, f"{self._base}{path}", json=dict(content))).json()

    def _ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        try:
            return self._client.request(method, url, **more)
        except httpx.HTTPError as error:
            raise PipelineError(f"GitHub's API does not answer at {url}: {error}") from None

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        try:
            said = answer.json().get("message", "")
        except ValueError:
            said = answer.text[:200]
        request = answer.request
        fix = ""
        if answer.status_code in (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND, httpx.codes.UNAUTHORIZED):
            fix = "give the job the permission (pull-requests: write, issues: write)"
        raise PipelineError(
            f"GitHub's API answered {answer.status_code} to {request.method} {request.url}: {said}", fix=fix
        )
