"""The one kind of error that the pipelines' commands show to a person."""

from sandbox.errors import SandboxError


class PipelineError(SandboxError):
    """A problem its reader can act on: cause in one or two sentences, and a fix."""
