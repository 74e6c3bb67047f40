"""The rules that join several keys of a stack.

Each reads the plain sections, not the models, so that it also speaks when another key is wrong.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from settings.prepare import Findings
from settings.report import HIDDEN, holds_credentials, looks_secret
from settings.runtimes import RUNTIMES
from settings.secret import as_secret
from settings.service_rules import SERVICE_RULES
from settings.view import Breach, View

Rule = Callable[[View], Iterator[Breach]]


def apply(data: Mapping[str, Any], findings: Findings) -> None:
    """Add every broken rule to the findings."""
    view = View(data, findings.stack, findings.commands)
    for rule in RULES:
        for breach in rule(view):
            findings.add(breach.path, breach.rule, breach.fix, value=breach.value)


def something_to_do(view: View) -> Iterator[Breach]:
    """A stack has at least one section to build."""
    if not any(view.has(section) for section in ("registry", "build", "service", "github")):
        fix = view.commands.set(("service", "runtime"), "docker")
        yield Breach(
            ("service",), "is missing, and so are registry and build: the stack would do nothing", fix
        )


def release_is_named(view: View) -> Iterator[Breach]:
    """Whatever builds or runs names its release."""
    needs = [section for section in ("build", "promoteFrom", "service") if view.has(section)]
    if needs and not view.has("imageTag"):
        fix = view.commands.set(("imageTag",), "v0.3.2")
        yield Breach(("imageTag",), f"is required by {needs[0]}: the release", fix)


def build_or_promote(view: View) -> Iterator[Breach]:
    """An environment that promotes cannot rebuild."""
    if view.has("build") and view.has("promoteFrom"):
        rule = "excludes promoteFrom: what is promoted was built before"
        yield Breach(("build",), rule, view.commands.remove(("build",)))


def build_pushes_somewhere(view: View) -> Iterator[Breach]:
    """A build needs a registry to push to."""
    if view.has("build") and not view.has("registry"):
        server = view.commands.set(("registry", "server"), "registry.example.com")
        fix = f"{view.commands.set(('registry', 'kind'), 'external')} && {server}"
        yield Breach(("registry",), "is required by build, which pushes to it", fix)


def image_has_a_source(view: View) -> Iterator[Breach]:
    """A service runs an image that comes from somewhere."""
    if view.has("service") and not any(view.has(each) for each in ("build", "promoteFrom", "registry")):
        fix = view.commands.set(("promoteFrom",), "release")
        yield Breach(
            ("promoteFrom",), "is required by service, which else needs build or registry: its image", fix
        )


def promotion_has_another_stack(view: View) -> Iterator[Breach]:
    """A stack cannot verify for itself."""
    source = view.at("promoteFrom")
    if isinstance(source, str) and source.rpartition("/")[2] == view.file_stack:
        fix = view.commands.set(("promoteFrom",), "release" if view.file_stack != "release" else "staging")
        yield Breach(("promoteFrom",), "must be another stack than this one", fix)


def override_has_a_gate(view: View) -> Iterator[Breach]:
    """An override without promoteFrom overrides nothing."""
    if view.has("override") and not view.has("promoteFrom"):
        rule = "needs promoteFrom: without it there is nothing to override"
        yield Breach(("override",), rule, view.commands.remove(("override",)))


def verify_has_a_service(view: View) -> Iterator[Breach]:
    """Only what runs can be verified, and only by a check."""
    checks = ("http", "worker", "commands")
    if view.has("verify") and not view.has("service"):
        rule = "needs service: only what runs can be verified"
        yield Breach(("verify",), rule, view.commands.remove(("verify",)))
    elif isinstance(view.at("verify"), Mapping) and not any(view.at("verify", check) for check in checks):
        fix = view.commands.set(("verify", "http", 0, "path"), "/version")
        yield Breach(("verify",), "needs a check (http, worker or commands), else everything would pass", fix)


def worker_check_has_an_address(view: View) -> Iterator[Breach]:
    """The worker's check asks Temporal, which has an address."""
    variable = "ANTGENT_TEMPORALIO__HOST"
    if not isinstance(view.at("verify", "worker"), Mapping) or view.has("verify", "worker", "address"):
        return
    if not view.has("service", "environment", variable):
        path = ("verify", "worker", "address")
        rule = f"is required where service.environment has no {variable}"
        yield Breach(path, rule, view.commands.set(path, "temporal.example.com:7233"))


def expectation_has_a_field(view: View) -> Iterator[Breach]:
    """An HTTP check compares a field, so it names it."""
    checks = view.at("verify", "http")
    for index, check in enumerate(checks if isinstance(checks, list) else []):
        if isinstance(check, Mapping) and check.get("expect") and not check.get("field"):
            path = ("verify", "http", index, "field")
            yield Breach(
                path, "is required by expect: the field to compare", view.commands.set(path, "version")
            )


def secret_headers_are_secrets(view: View) -> Iterator[Breach]:
    """A check's secret header names a secret of the stack, and a plain one carries none."""
    checks = view.at("verify", "http")
    for index in range(len(checks) if isinstance(checks, list) else 0):
        path = ("verify", "http", index, "secretHeaders")
        for header, name in view.map(*path).items():
            if isinstance(name, str) and name not in view.map("secrets"):
                rule = "must be the name of a secret of this stack"
                yield Breach((*path, header), rule, view.commands.set_secret(("secrets", name)))
        plain = ("verify", "http", index, "headers")
        for header in view.map(*plain):
            if _is_secret_header(header):
                rule = (
                    "looks like a secret, so it belongs under antgent:secrets and is named in secretHeaders"
                )
                yield Breach((*plain, header), rule, view.commands.remove((*plain, header)), HIDDEN)


def hold_is_kept(view: View) -> Iterator[Breach]:
    """While a stack is held, only the release that holds it may run."""
    held, tag = view.at("hold", "tag"), view.at("imageTag")
    if not isinstance(held, str) or not isinstance(tag, str) or held == tag:
        return
    why = " ".join(str(view.at("hold", "reason")).split())
    lift = view.commands.remove(("hold",))
    rule = f"must stay {held} while {view.at('hold', 'by')} holds it ({why}); what ends the hold: {lift}"
    yield Breach(("imageTag",), rule, view.commands.set(("imageTag",), held))


def registry_login_is_whole(view: View) -> Iterator[Breach]:
    """A registry's user has a password, and the other way round."""
    user, password = ("registry", "username"), ("registry", "password")
    if view.has(*user) and not view.has(*password):
        yield Breach(password, "is required by username", view.commands.set_secret(password))
    if view.has(*password) and not view.has(*user):
        yield Breach(user, "is required by password", view.commands.set(user, "ci"))


def settings_are_not_secret(view: View) -> Iterator[Breach]:
    """A secret does not stand in plain text: not in the environment, a build argument or a probe."""
    for name, value in view.map("service", "environment").items():
        if looks_secret(name) or holds_credentials(value):
            path = ("service", "environment", name)
            fix = f"{view.commands.remove(path)} && {view.commands.set_secret(('secrets', name))}"
            yield Breach(
                path, "looks like a secret, so it belongs under antgent:secrets, encrypted", fix, HIDDEN
            )
    for name, value in view.map("build", "args").items():
        if looks_secret(name) or holds_credentials(value):
            path = ("build", "args", name)
            rule = "looks like a secret, and build arguments stay readable in the image's history"
            yield Breach(path, rule, view.commands.remove(path), HIDDEN)
    headers = ("service", "server", "health", "headers")
    for name in view.map(*headers):
        if _is_secret_header(name):
            rule = (
                "looks like a secret, and a probe's headers are in plain text: probe a path without a token"
            )
            yield Breach((*headers, name), rule, view.commands.remove((*headers, name)), HIDDEN)


def _is_secret_header(name: str) -> bool:
    return looks_secret(name.replace("-", "_")) or name.lower() in {"authorization", "cookie"}


def a_variable_has_one_source(view: View) -> Iterator[Breach]:
    """A variable is a setting or a secret, not both."""
    for name in view.map("service", "environment").keys() & view.map("secrets").keys():
        path = ("service", "environment", name)
        yield Breach(
            path,
            "is under antgent:secrets, too; a variable has one source",
            view.commands.remove(path),
            HIDDEN,
        )


def secrets_suit_the_runtime(view: View) -> Iterator[Breach]:
    """The runtime can read the secret from where it is kept."""
    runtime = view.at("service", "runtime")
    if not isinstance(runtime, str) or runtime not in RUNTIMES:
        return
    for name, value in view.map("secrets").items():
        secret = as_secret(value)
        if secret and secret.kind not in RUNTIMES[runtime].secret_kinds:
            path = ("secrets", name)
            rule = f"is a reference that runtime {runtime} cannot read: encrypt the value instead"
            yield Breach(path, rule, view.commands.set_secret(path), HIDDEN)


# The deepest keys first: a problem of a section must not hide one below it.
RULES: tuple[Rule, ...] = (
    *SERVICE_RULES,
    settings_are_not_secret,
    a_variable_has_one_source,
    secrets_suit_the_runtime,
    registry_login_is_whole,
    worker_check_has_an_address,
    expectation_has_a_field,
    secret_headers_are_secrets,
    hold_is_kept,
    verify_has_a_service,
    override_has_a_gate,
    promotion_has_another_stack,
    image_has_a_source,
    build_pushes_somewhere,
    build_or_promote,
    release_is_named,
    something_to_do,
)
