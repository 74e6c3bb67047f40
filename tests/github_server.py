"""A small server that behaves like GitHub's REST API for the calls that the pipelines make.

It keeps issues, comments, branches, files and pull requests; it wants a token, pages its lists with `Link`
headers, gives a comment of an Actions token a user of the type Bot, and answers what it does not know with
404, like GitHub.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-of-the-tests"
MOST = 65_536
"""Characters that GitHub takes in a body."""


class GithubServer:
    """The server and what it keeps.

    Attributes:
        address: for GITHUB_API_URL.
        issues: number → issue; pull requests are issues, too.
        comments: number of the issue → its comments.
        pulls: number → pull request.
        branches: name → commit.
        files: (branch, path) → content.
        requests: `METHOD path` of every request, for tests that count.
        forbidden: answers 403 to every write, as without the permission.
    """

    def __init__(self, repository: str = "example/antgent-delivery", page: int = 2) -> None:
        self.repository, self.page = repository, page
        self.issues: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.pulls: dict[int, dict[str, Any]] = {}
        self.branches = {"main": "a" * 40}
        self.files: dict[tuple[str, str], bytes] = {}
        self.requests: list[str] = []
        self.forbidden = False
        self._ids = 1000
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()

    def env(self) -> dict[str, str]:
        """What a workflow's step has to find it."""
        return {
            "GITHUB_API_URL": self.address,
            "GITHUB_REPOSITORY": self.repository,
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_SERVER_URL": "https://github.example.com",
            "GITHUB_RUN_ID": "77",
        }

    def say(self, issue: int, body: str, kind: str = "User") -> dict[str, Any]:
        """Put a comment there, as somebody else would."""
        self._ids += 1
        url = f"https://github.example.com/{self.repository}/issues/{issue}#issuecomment-{self._ids}"
        made = {"id": self._ids, "body": body, "user": {"type": kind}, "html_url": url}
        self.comments.setdefault(issue, []).append(made)
        return made

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> Any:
        """What GitHub would answer: status and content."""
        if len(body.get("body") or "") > MOST:
            return 422, {"message": "Validation Failed: body is too long (maximum is 65536 characters)"}
        for pattern, verb, act in self._routes():
            found = re.fullmatch(pattern, path)
            if found and verb == method:
                return act(query, body, *found.groups())
        return 404, {"message": "Not Found"}

    def _routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        return [
            ("", "GET", lambda *_: (200, {"default_branch": "main"})),
            (r"/issues/(\d+)/comments", "GET", lambda _q, _b, n: (200, self.comments.get(int(n), []))),
            (r"/issues/(\d+)/comments", "POST", lambda _q, b, n: (201, self.say(int(n), b["body"], "Bot"))),
            (r"/issues/comments/(\d+)", "PATCH", self._edit_comment),
            ("/issues", "GET", self._list_issues),
            ("/issues", "POST", self._open_issue),
            (r"/issues/(\d+)", "PATCH", self._edit_issue),
            (r"/pulls/(\d+)", "GET", lambda _q, _b, n: self._found(self.pulls.get(int(n)))),
            ("/pulls", "GET", lambda q, _b: (200, [p for p in self.pulls.values() if self._matches(p, q)])),
            ("/pulls", "POST", self._open_pull),
            (r"/git/ref/heads/(.+)", "GET", self._ref),
            ("/git/refs", "POST", self._branch),
            (r"/contents/(.+)", "GET", self._read),
            (r"/contents/(.+)", "PUT", self._write),
        ]

    def _edit_comment(self, _query: Any, body: dict[str, Any], number: str) -> Any:
        for comments in self.comments.values():
            for one in comments:
                if one["id"] == int(number):
                    one["body"] = body["body"]
                    return 200, one
        return 404, {"message": "Not Found"}

    def _list_issues(self, query: dict[str, str], _body: Any) -> Any:
        wanted = query.get("labels", "")
        return 200, [
            one
            for one in self.issues.values()
            if one["state"] == query.get("state", "open") and (not wanted or wanted in one["labels"])
        ]

    def _open_issue(self, _query: Any, body: dict[str, Any]) -> Any:
        number = len(self.issues) + len(self.pulls) + 1
        url = f"https://github.example.com/{self.repository}/issues/{number}"
        self.issues[number] = {"number": number, "state": "open", "html_url": url, "labels": [], **body}
        return 201, self.issues[number]

    def _edit_issue(self, _query: Any, body: dict[str, Any], number: str) -> Any:
        found = self.issues.get(int(number))
        if found:
            found.update(body)
        return self._found(found)

    def _open_pull(self, _query: Any, body: dict[str, Any]) -> Any:
        if body["head"] not in self.branches:
            return 422, {"message": "Validation Failed: head is invalid"}
        number = len(self.issues) + len(self.pulls) + 1
        url = f"https://github.example.com/{self.repository}/pull/{number}"
        self.pulls[number] = {"number": number, "state": "open", "html_url": url, **body}
        return 201, self.pulls[number]

    def _matches(self, pull: dict[str, Any], query: dict[str, str]) -> bool:
        head = query.get("head", "").rpartition(":")[2]
        return pull["state"] == query.get("state", "open") and (not head or pull.get("head") == head)

    def _ref(self, _query: Any, _body: Any, name: str) -> Any:
        commit = self.branches.get(name)
        return self._found(commit and {"object": {"sha": commit}})

    def _branch(self, _query: Any, body: dict[str, Any]) -> Any:
        name = body["ref"].removeprefix("refs/heads/")
        if name in self.branches:
            return 422, {"message": "Reference already exists"}
        self.branches[name] = body["sha"]
        self.files |= {(name, path): text for (branch, path), text in self.files.items() if branch == "main"}
        return 201, {"ref": body["ref"]}

    def _read(self, query: dict[str, str], _body: Any, path: str) -> Any:
        content = self.files.get((query.get("ref", "main"), path))
        return self._found(None if content is None else {"sha": _sha(content)})

    def _write(self, _query: Any, body: dict[str, Any], path: str) -> Any:
        known = self.files.get((body["branch"], path))
        if known is not None and body.get("sha") != _sha(known):
            return 409, {"message": f"{path} does not match {body.get('sha')}"}
        self.files[body["branch"], path] = base64.b64decode(body["content"])
        return 200, {}

    def _found(self, what: Any) -> Any:
        return (200, what) if what else (404, {"message": "Not Found"})


def _sha(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def _handler(github: GithubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._do()

        do_POST = do_PATCH = do_PUT = do_GET  # noqa: N815

        def _do(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            github.requests.append(f"{self.command} {parts.path}")
            status, content = self._answer(parts.path, query, body)
            links = []
            if isinstance(content, list):
                number = int(query.get("page", "1"))
                size = min(int(query.get("per_page", "30")), github.page)
                rest = content[number * size :]
                content = content[(number - 1) * size : number * size]
                if rest:
                    onward = "&".join([*(f"{k}={v}" for k, v in query.items() if k != "page")])
                    links = [f'<{github.address}{parts.path}?{onward}&page={number + 1}>; rel="next"']
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            for link in links:
                self.send_header("Link", link)
            self.end_headers()
            self.wfile.write(text)

        def _answer(self, path: str, query: dict[str, str], body: dict[str, Any]) -> Any:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return 401, {"message": "Bad credentials"}
            if github.forbidden and self.command != "GET":
                return 403, {"message": "Resource not accessible by integration"}
            base = f"/repos/{github.repository}"
            if not path.startswith(base):
                return 404, {"message": "Not Found"}
            return github.answer(self.command, path.removeprefix(base), query, body)

        def log_message(self, format: str, *args: object) -> None:
            """Tests print nothing."""

    return Handler
