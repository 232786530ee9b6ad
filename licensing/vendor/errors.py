"""What the vendor's desk refuses, beyond what licensing and media already refuse.

    Refusal
    └── VendorError               90
        ├── UsageNotAccepted      91  a usage file did not pass reconciliation
        │   └── SelftestFailed        this reconciler does not judge the scenario cases as it should
        ├── DocumentUnfinished    90  signatures are still missing
        ├── NotAgreed             90  a person looked at it and said no
        ├── HomeRefused           92
        │   ├── HomeExists            there is something where a new home should go
        │   ├── HomeMissing           no home there, or not a whole one
        │   └── TrustUnsettled        its trust documents and its memory do not agree
        ├── KeyRefused            93
        │   ├── KeyDamaged            a key file is not what was written
        │   ├── KeyMissing            no private key, or too few, for a role
        │   ├── KeyUnfit              a key that may not sign this, or has signed it already
        │   └── TokenRefused          a hardware token, its module or its key cannot be used
        ├── PassphraseWrong       94  it does not open the key
        ├── PinWrong              94  it does not open the token
        ├── EnrolmentRefused      96
        │   ├── SiteChanged           a known site with another key or epoch
        │   ├── SiteUnknown           a site that was never enrolled
        │   └── ChallengeRefused      a site request that no time token can answer
        ├── TermsRefused          97  a licence that should not be issued so
        │   ├── RotationRefused       a change that makes no trust document
        │   └── RateCardRefused       a rate card that makes no prices
        ├── ConfigRefused         98  a config whose head or shape cannot be signed
        ├── ReleaseRefused        98  files that are not what the build says of them
        └── MemoryRefused         99  vendor.db is missing, damaged, busy or newer than this release

Codes and exit codes are stable; leaves that share an exit code differ in `code`. A passphrase that is missing (94) and
a secret that lies open (95) are media's refusals, on either side.
"""

from __future__ import annotations

from licensing.errors import Refusal


class VendorError(Refusal):
    """Root of what the vendor's desk refuses."""

    code = "vendor_refused"
    exit_code = 90


class UsageNotAccepted(VendorError):
    """At least one usage file was not accepted."""

    code = "usage_not_accepted"
    exit_code = 91
    default_remedy = (
        "Read the evidence beside each file. Ask the site for missing files; keep forks and edited files, and call."
    )


class SelftestFailed(UsageNotAccepted):
    """This reconciler judges a scenario case otherwise than it should."""

    code = "usage_selftest_failed"
    default_remedy = "Do not reconcile with this installation: install ao-vendor anew, and run the selftest again."


class DocumentUnfinished(VendorError):
    """Too few of a role's keys have signed so far."""

    code = "document_unfinished"
    default_remedy = "Have those who are missing sign it: ao-vendor sign add FILE --key KEY."


class NotAgreed(VendorError):
    """A person was shown what would be signed, and did not agree."""

    code = "not_agreed"
    default_remedy = "Nothing was signed. Run the command again when you agree with what it shows."


class HomeRefused(VendorError):
    """The vendor's home folder is not in the state that this command needs."""

    code = "vendor_home_refused"
    exit_code = 92


class HomeExists(HomeRefused):
    """There is something already where a new home should be made."""

    code = "vendor_home_exists"
    default_remedy = "Name another folder with --home; an existing home is never changed by init."


class HomeMissing(HomeRefused):
    """There is no home, or not a whole one."""

    code = "vendor_home_missing"
    default_remedy = "Name the vendor's home with --home or AO_VENDOR_HOME, or make one: ao-vendor init --name NAME."


class TrustUnsettled(HomeRefused):
    """The trust documents in the home and the vendor's memory do not agree."""

    code = "vendor_trust_unsettled"
    default_remedy = "Restore trust.json and vendor.db from the same backup of the vendor's home."


class KeyRefused(VendorError):
    """A private key cannot be used."""

    code = "vendor_key_refused"
    exit_code = 93


class KeyDamaged(KeyRefused):
    """A key file is not what was written: damaged, or changed by somebody."""

    code = "vendor_key_damaged"
    default_remedy = "Restore the key file from the vendor's backup; do not repair it by hand."


class KeyMissing(KeyRefused):
    """There is no private key here, or there are too few, for what a role is to sign."""

    code = "vendor_key_missing"
    default_remedy = "Bring the missing key files into the home's keys folder, or restore them from the backup."


class KeyUnfit(KeyRefused):
    """A key that may not sign this document, or that has signed it already."""

    code = "vendor_key_unfit"
    default_remedy = "Sign with another key of the role; see who is missing: ao-vendor sign status FILE."


class TokenRefused(KeyRefused):
    """A hardware token, its module, or the key in it cannot be used."""

    code = "vendor_token_refused"
    default_remedy = "Insert the token, check the pkcs11: URI and --pkcs11-module, and try again."


class PassphraseWrong(VendorError):
    """The passphrase does not open the key."""

    code = "passphrase_wrong"
    exit_code = 94
    default_remedy = "Try again with the passphrase that was chosen at ao-vendor init."


class PinWrong(VendorError):
    """The PIN does not open the token."""

    code = "pin_wrong"
    exit_code = 94
    default_remedy = "Try again with the token's PIN; after a few wrong ones a token locks itself."


class EnrolmentRefused(VendorError):
    """A site that cannot be dealt with as asked."""

    code = "enrolment_refused"
    exit_code = 96
    default_remedy = "Ask the site for a fresh request, and hear from a person there what changed."


class SiteChanged(EnrolmentRefused):
    """A known site presents another key or another epoch."""

    code = "site_changed"
    default_remedy = (
        "Hear from a person at the site why its key or state changed; if all is well, repeat with --re-enrol."
    )


class SiteUnknown(EnrolmentRefused):
    """A site that was never enrolled here."""

    code = "site_unknown"
    default_remedy = "Check the spelling of the site; a site is enrolled by its first: ao-vendor licence issue."


class ChallengeRefused(EnrolmentRefused):
    """A site request that no time token can answer, or that one has answered already."""

    code = "challenge_refused"
    default_remedy = "Ask the site for a fresh request (ao site request); each can be answered once."


class TermsRefused(VendorError):
    """Terms that make no licence, or none that should be issued."""

    code = "licence_terms_refused"
    exit_code = 97
    default_remedy = "Correct the terms on the command line and issue again; nothing was recorded."


class RotationRefused(TermsRefused):
    """A change to the trust that makes no trust document, or none that should be."""

    code = "trust_rotation_refused"
    default_remedy = "Correct the change on the command line; nothing was made. See: ao-vendor trust show."


class RateCardRefused(TermsRefused):
    """A rate card that makes no prices."""

    code = "rate_card_refused"
    default_remedy = "Correct the rate card at the place named; without --rates the report has quantities only."


class ConfigRefused(VendorError):
    """A config whose head or shape cannot be signed."""

    code = "config_refused"
    exit_code = 98
    default_remedy = "Correct the file at the place named and sign it again; nothing was recorded."


class ReleaseRefused(VendorError):
    """The files of a release are not those that the build described, or the description is none."""

    code = "release_refused"
    exit_code = 98
    default_remedy = "Build the release anew, and sign it in the folder that it was built into."


class MemoryRefused(VendorError):
    """The vendor's memory is missing, damaged, busy, or newer than this release."""

    code = "vendor_memory_refused"
    exit_code = 99
    default_remedy = "Restore vendor.db from the vendor's backup; without it no serial and no usage can be vouched for."
