"""What can go wrong, and the exit code of each."""

from enum import IntEnum

from sandbox.errors import SandboxError


class Exit(IntEnum):
    """Exit codes. They are part of the command line's contract: scripts read them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    BUSY = 4
    BROKEN = 5
    DECLINED = 6
    INTERRUPTED = 130


MEANING = {
    Exit.DONE: "done, or nothing to do",
    Exit.FAILED: "failed; what runs is unchanged (verify: a check failed)",
    Exit.USAGE: "wrong use: an unknown stack, option or tag; nothing was changed",
    Exit.REFUSED: "refused: not verified, on hold, image gone, tree not clean …; nothing was changed",
    Exit.BUSY: "somebody else is at work on the stack; nothing was changed",
    Exit.BROKEN: "`up` began and failed; the message says what runs now",
    Exit.DECLINED: "you said no; nothing was changed",
    Exit.INTERRUPTED: "interrupted (Ctrl-C)",
}


class ShipError(SandboxError):
    """A problem its reader can act on.

    Args:
        problem: what happened and why.
        fix: the command that mends it.
        code: what `ship` exits with. Defaults to `Exit.FAILED`.
    """

    def __init__(self, problem: str, *, fix: str = "", code: Exit = Exit.FAILED) -> None:
        super().__init__(problem, fix=fix)
        self.code = code
