"""The one kind of error the sandbox shows to a person."""


class SandboxError(Exception):
    """A problem its reader can act on.

    Args:
        problem: what happened, with its cause, in one or two sentences.
        fix: the command or edit that mends it; shown on a line of its own.
    """

    def __init__(self, problem: str, *, fix: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.problem}\n  fix: {self.fix}" if self.fix else self.problem
