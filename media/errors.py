"""What media refuses: bytes that must not come in from a medium, bytes that did not get onto one, and secrets that lie
open or were not given.

    Refusal
    └── MediaError
        ├── NotFound             50  no file of that name
        ├── NotARegularFile      51  a link, folder, pipe, socket or device, or a file with a second name
        ├── TooLarge             52  more bytes than this kind of document may have
        ├── Unreadable           53  the system or the medium would not give the bytes
        ├── YamlRefused          54  not the small, plain YAML that the appliance reads
        ├── WriteFailed          55  the system or the medium would not take the bytes
        ├── MediumFull           56  no room left, or the quota is used up
        ├── ReadOnly             57  mounted or switched read-only
        ├── AlreadyThere         58  the name is taken by other bytes
        ├── NotDurable           59  what was read back is not what was written
        ├── NoMedium            102  no medium is here, or several are and none was named
        ├── UnsafeMount         103  mounted in a way that the site's policy does not allow
        ├── PassphraseRefused        a passphrase that cannot be taken from where it was to come from
        │   └── PassphraseMissing 94  none given, or an empty one
        └── Exposed              95  a secret that other users of this host can reach

`where` names the file, and for YAML the line and column. Whatever a foreign medium chose, a file name above all, is
passed through `shown` before it enters a message.
"""

from __future__ import annotations

from licensing.errors import Refusal


class MediaError(Refusal):
    """Root of what media refuses."""

    code = "media_refused"
    exit_code = 50


class NotFound(MediaError):
    """There is no file of that name."""

    code = "media_not_found"
    exit_code = 50
    http_status = 404
    default_remedy = "Check that the right medium is mounted and that the file is on it under exactly this name."


class NotARegularFile(MediaError):
    """The name is not that of one plain file: it is a link, folder, pipe, socket or device, or one name of several."""

    code = "media_not_regular"
    exit_code = 51
    default_remedy = "Put a plain copy of the file on the medium; links, folders, pipes and devices are never followed."


class TooLarge(MediaError):
    """The file has more bytes than this kind of document may have."""

    code = "media_too_large"
    exit_code = 52
    http_status = 413
    default_remedy = "Check that this is the right file; a genuine document of this kind is smaller."


class Unreadable(MediaError):
    """The system or the medium would not give the bytes."""

    code = "media_unreadable"
    exit_code = 53
    default_remedy = "Check the file's permissions; if they are right, copy it to another medium and try again."


class YamlRefused(MediaError):
    """The bytes are not the small, plain YAML that the appliance reads."""

    code = "yaml_refused"
    exit_code = 54
    default_remedy = "Correct the document at the place named, have it signed again, and import the new copy."


class WriteFailed(MediaError):
    """The system or the medium would not take the bytes; what was there before is still there."""

    code = "media_write_failed"
    exit_code = 55
    http_status = 500
    default_remedy = "Check the folder's permissions; if they are right, try another medium."


class MediumFull(MediaError):
    """No room is left on the medium, or the quota is used up."""

    code = "media_full"
    exit_code = 56
    http_status = 507
    default_remedy = "Make room on the medium, or use another one, and write again."


class ReadOnly(MediaError):
    """The medium is mounted read-only, or its switch says so."""

    code = "media_read_only"
    exit_code = 57
    http_status = 409
    default_remedy = "Release the medium's write-protect switch or mount it writable, or use another medium."


class AlreadyThere(MediaError):
    """The name is taken by a file with other bytes, which are left alone."""

    code = "media_already_there"
    exit_code = 58
    http_status = 409
    default_remedy = "Move the existing file away if it is not needed, or write to another medium."


class NotDurable(MediaError):
    """What was read back from the medium is not what was written to it."""

    code = "media_not_durable"
    exit_code = 59
    http_status = 500
    default_remedy = "Do not use this medium any more; write to another one."


class NoMedium(MediaError):
    """There is no medium to act on, or more than one and none was named."""

    code = "media_none"
    exit_code = 102
    http_status = 404
    default_remedy = "Plug it in and mount it, or name the folder where it is mounted."


class UnsafeMount(MediaError):
    """The medium is not mounted in the way that the site's policy asks for."""

    code = "media_unsafe_mount"
    exit_code = 103
    http_status = 409
    default_remedy = "Mount it again: mount -o remount,ro,nosuid,nodev,noexec FOLDER."


class PassphraseRefused(MediaError):
    """A passphrase cannot be used as it was given."""

    code = "passphrase_refused"
    exit_code = 94
    default_remedy = "Check how the passphrase is given, and try again."


class PassphraseMissing(PassphraseRefused):
    """No passphrase was given, or an empty one."""

    code = "passphrase_missing"
    default_remedy = "Type it at the prompt, or give --passphrase-file FILE or --passphrase-fd N."


class Exposed(MediaError):
    """A secret lies where other users of this host can reach it."""

    code = "secret_exposed"
    exit_code = 95
    default_remedy = "Make it private (chmod 700 for the folder, 600 for the file), and consider who may have read it."
