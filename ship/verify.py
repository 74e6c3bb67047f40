"""`ship verify`: run an environment's checks again, without a deploy and without a word to its ledger."""

from ship.errors import Exit, ShipError
from ship.project import Project
from ship.ui import Ui


def verify(project: Project, stack: str, ui: Ui) -> None:
    """Run the checks that the stack's state holds, on what runs now.

    Raises:
        ShipError: a check did not pass, or there is none.
    """
    from components.verification import VerificationError, spec_of
    from components.verification import verify as run

    spec = spec_of(project.pulumi(project.need(stack)).export(show_secrets=True))
    if spec is None:
        raise ShipError(
            f"{stack} has verified no release yet, so there is nothing to run again",
            fix=f"give its config an antgent:verify section, then: pulumi up --stack {stack}",
            code=Exit.REFUSED,
        )
    ui.say(f"· checking {spec.tag} at {spec.url}")
    document = {"stack": stack, "tag": spec.tag, "url": spec.url}
    try:
        passed = run(spec, say=ui.say)
    except VerificationError as error:
        ui.result(document | {"passed": False, "error": str(error)})
        raise ShipError(
            str(error), fix=f"pulumi stack output logs --stack {stack} tells how to read its logs"
        ) from None
    ui.table(("check", "seconds"), [(one.name, f"{one.seconds:g}") for one in passed])
    ui.print(f"{spec.tag} passes; the ledger of {stack} is as it was")
    checks = [{"name": one.name, "seconds": one.seconds} for one in passed]
    ui.result(document | {"passed": True, "checks": checks})
