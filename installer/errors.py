"""What the installer refuses: a host that cannot carry the appliance, answers that cannot be, an act that did not end.

Refusal
└── InstallerError          110  root of them
    ├── NotRoot             111  installing, upgrading and removing need root
    ├── ReleaseDamaged      112  a release that is not what its MANIFEST says, or not for this machine
    ├── StepFailed          113  a step could not be done; what was done before it stays until undone or repeated
    ├── ActUnfinished       114  another act was cut off and comes first
    ├── AlreadyInstalled    115  another release is installed here
    ├── NotInstalled        116  nothing is installed here
    ├── UpgradeRefused      117  a release that cannot be gone to from the one installed
    ├── UpgradeReturned     118  the new release failed its check; the one before serves again
    ├── UsageUnsaved        119  removing the state would lose usage that has not been carried out
    ├── PreflightFailed     120  a check of this host failed
    ├── AnswerRefused       121  an answer, in a terminal or a file, that cannot be
    ├── SetupUnfinished     122  a step of the setup is still to be done
    ├── ReleaseUnusable     123  the installed release's own command cannot be run, or is not understood
    ├── SecretInBundle      124  a secret of this host was found in what was to leave it
    ├── ReturnFailed        125  the new release failed, and going back did not work either
    ├── PackageDiffers      126  a package holds another release of the version that is installed
    └── ReleaseRefused           what the installed release's own command refused, with its code and exit code
"""

from __future__ import annotations

from licensing.errors import Refusal


class InstallerError(Refusal):
    """Root of what the installer refuses."""

    code = "installer_refused"
    exit_code = 110


class NotRoot(InstallerError):
    code = "not_root"
    exit_code = 111
    default_remedy = "Run it as root, for example with sudo."


class ReleaseDamaged(InstallerError):
    code = "release_damaged"
    exit_code = 112
    default_remedy = "Copy the file from its medium again and compare its SHA-256; do not use this one."


class StepFailed(InstallerError):
    code = "step_failed"
    exit_code = 113
    default_remedy = "Mend the cause and run the same command again, or take back what was done: ao install --undo."


class ActUnfinished(InstallerError):
    code = "act_unfinished"
    exit_code = 114
    default_remedy = "Run the command that was cut off again, or take back what it did: ao install --undo."


class AlreadyInstalled(InstallerError):
    code = "already_installed"
    exit_code = 115
    default_remedy = "To go to another release: ao upgrade FILE."


class NotInstalled(InstallerError):
    code = "not_installed"
    exit_code = 116
    default_remedy = "Install a release first: sh ao-appliance-….run"


class UpgradeRefused(InstallerError):
    code = "upgrade_refused"
    exit_code = 117
    default_remedy = "The installed release stays as it is. Carry in one that can be gone to from it."


class UpgradeReturned(InstallerError):
    code = "upgrade_returned"
    exit_code = 118
    default_remedy = "Nothing is to be done now. Send the reason above to the vendor, with: ao support-bundle."


class UsageUnsaved(InstallerError):
    code = "usage_unsaved"
    exit_code = 119
    default_remedy = "Name a folder on a medium for the last usage files: --usage-to DIR; or say --without-usage."


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


class ReturnFailed(InstallerError):
    code = "return_failed"
    exit_code = 125
    default_remedy = "Follow 'By hand' in INSTALLING.md (/opt/ao/current/docs/installer); a copy is in snapshots/."


class PackageDiffers(InstallerError):
    code = "package_differs"
    exit_code = 126
    default_remedy = "Remove the package and install it again; the data stays."


class ReleaseRefused(InstallerError):
    """What `ao …` refused, told as it told it."""

    def __init__(self, error: dict[str, str], exit_code: int) -> None:
        super().__init__(error["message"], where=error.get("where"), remedy=error.get("remedy"))
        # Stated per instance because the release, not this class, owns these two.
        self.code = error["code"]  # type: ignore[misc]
        self.exit_code = exit_code  # type: ignore[misc]
