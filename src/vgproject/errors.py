"""Every error raised on purpose.

::

    VgprojectError                  code, message, retryable, http_status
    ├── BadInputError               400: what the caller sent is not usable
    │   ├── ConfigError             an option with its source, its value and what is allowed
    │   └── CommandError            a frame or command (bad_frame, unknown_type, invalid_command, …)
    ├── UnauthenticatedError        401
    ├── ForbiddenError              403
    ├── NotFoundError               404 (no_such_session, no_such_task, no_such_memory, …)
    ├── ConflictError               409 (already_resolved, conflict, task_running, apply_conflict, …)
    ├── TooLargeError               413
    ├── RateLimitedError            429, with retry_after_ms
    ├── UnavailableError            503 (draining, database_unavailable, disk_full, …)
    ├── ModelError                  the language model: unreachable, refused, out of replies
    │   └── ModelChoiceError        400: no such model, no key for it, no script
    ├── WorkspaceError              git, files, checkpoints, sandbox
    └── PhaseError                  a phase ended without its result; carries what clients are told
"""

from typing import Any


class VgprojectError(Exception):
    """An error with a stable ``code`` for programs and a sentence for people."""

    code = "internal_error"
    http_status = 500
    retryable = False

    def __init__(self, message: str, *, code: str | None = None, retryable: bool | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable


class BadInputError(VgprojectError):
    code = "invalid_request"
    http_status = 400


class ConfigError(BadInputError):
    code = "invalid_option"


class CommandError(BadInputError):
    code = "invalid_command"


class UnauthenticatedError(VgprojectError):
    code = "unauthenticated"
    http_status = 401


class ForbiddenError(VgprojectError):
    code = "forbidden"
    http_status = 403


class NotFoundError(VgprojectError):
    code = "not_found"
    http_status = 404


class ConflictError(VgprojectError):
    code = "conflict"
    http_status = 409


class TooLargeError(VgprojectError):
    code = "too_large"
    http_status = 413


class RateLimitedError(VgprojectError):
    code = "rate_limited"
    http_status = 429
    retryable = True


class UnavailableError(VgprojectError):
    code = "unavailable"
    http_status = 503
    retryable = True


class ModelError(VgprojectError):
    code = "model_error"
    http_status = 502


class ModelChoiceError(ModelError):
    """The model that was chosen cannot be asked at all: its name, its key or its script is not there."""

    code = "bad_model_name"
    http_status = 400


class WorkspaceError(VgprojectError):
    code = "workspace_error"


class RejectedError(VgprojectError):
    """A person has put an end to the task by rejecting what it was going to do."""

    code = "plan_rejected"


class PhaseError(VgprojectError):
    code = "phase_failed"
