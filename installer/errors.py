"""What the installer refuses: a host that cannot carry the appliance, answers that cannot be, an act that did not end.

Refusal
└── InstallerError
    ├── PreflightFailed     120  a check of this host failed
    ├── AnswerRefused       121  an answer, in a terminal or a file, that cannot be
    ├── SetupUnfinished     122  a step of the setup is still to be done
    ├── ReleaseUnusable     123  the installed release's own command cannot be run, or is not understood
    ├── SecretInBundle      124  a secret of this host was found in what was to leave it
    └── ReleaseRefused           what the installed release's own command refused, with its code and exit code
"""

from __future__ import annotations

from licensing.errors import Refusal


class InstallerError(Refusal):
    """Root of what the installer refuses."""

    code = "installer_refused"
    exit_code = 110


class PreflightFailed(InstallerError):
    code = "preflight_failed"
    exit_code = 120
    default_remedy = "Do what stands beside each finding that failed, and ask again: ao preflight."


class AnswerRefused(InstallerError):
    code = "answer_refused"
    exit_code = 121
    default_remedy = "Correct the answer, and run the setup again: what is done already stays done."


class SetupUnfinished(InstallerError):
    code = "setup_unfinished"
    exit_code = 122
    default_remedy = "Run it again where it stopped: ao setup."


class ReleaseUnusable(InstallerError):
    code = "release_unusable"
    exit_code = 123
    default_remedy = "Look at the release that is installed: ao --version."


class SecretInBundle(InstallerError):
    code = "secret_in_bundle"
    exit_code = 124
    default_remedy = "Nothing was written. Tell the vendor which part it was, and leave it out: --without PART."


class ReleaseRefused(InstallerError):
    """What `ao …` refused, told as it told it."""

    def __init__(self, error: dict[str, str], exit_code: int) -> None:
        super().__init__(error["message"], where=error.get("where"), remedy=error.get("remedy"))
        # Stated per instance because the release, not this class, owns these two.
        self.code = error["code"]  # type: ignore[misc]
        self.exit_code = exit_code  # type: ignore[misc]
