"""What the appliance refuses at its own door: host, state, config, keys, usage. (What an HTTP client is told about a
model call is in gateway/errors.py.)

    Refusal
    └── ApplianceError
        ├── NotInitialised       40  there is no site in this state folder
        ├── AlreadyInitialised   41  there is one, and it is not to be overwritten
        ├── StateUnwritable      42  the state folder cannot be written
        ├── StateDamaged         43  the database or a key file is not what it should be
        ├── PortTaken            44  the listen address is in use or not ours
        ├── GatewayFailed        45  the gateway's processes did not come up
        ├── SettingsRefused      46  the host's settings file is wrong
        ├── VendorToolsMissing   47  the demonstration needs ao-vendor
        ├── AlreadyServing       48  another gateway runs on this state
        ├── ClockWrong           49  a clock that is earlier than this very release
        ├── CertificateRefused  140  a certificate or key that the gateway cannot listen with
        ├── ClientAuthorityRefused 141 authorities or revocation lists for clients that cannot be used
        ├── ReloadFailed        142  workers with the new certificate did not come up; the old ones go on
        ├── AuthorityRefused    143  the site's own certificate authority cannot be made, or opened
        ├── IssueRefused        144  a certificate that cannot be made as asked
        ├── PlainListener       145  the settings name no certificate: there is nothing to reload or show
        ├── ConfigRefused        60  a config that does not hold together, with key and line
        ├── ConfigMissing        61  no config has been imported
        ├── SecretMissing        62  a ${NAME} that the host does not provide
        ├── ConfigFrozen         63  the licence's rung allows no new config
        ├── OfficerKeyRefused    64  a key file that is no officer's
        ├── ConfigUnusable       65  the config in force can no longer be believed or read
        ├── FeatureUnbuilt       66  a feature that the licence has and this release does not do
        ├── SealRefused          67  a sealed key that does not open at this site and place
        ├── RollbackRefused      68  a config that cannot be gone back to
        ├── ProviderUnknown      69  no row of that name in the catalogue
        ├── KeyUnknown           70  no API key of that id
        ├── KeyRefused           71  a key that cannot be made as asked
        ├── CapsRefused          72  caps that cannot be, or for what does not exist
        ├── TeamUnknown          73  no org or team of that name
        ├── TeamRefused          74  an org or team that cannot be made, or be deleted yet
        ├── NotPermitted         75  the administrator's roles do not allow this here
        ├── AdministratorUnknown 130 no administrator of that name
        ├── AdministratorRefused 131 an administrator, password or grant that cannot be
        ├── RoleUnknown         132  no role of that name
        ├── RoleRefused         133  a role that cannot be, or not there
        ├── TokenUnknown        134  no service token of that name
        ├── TokenRefused        135  a service token that cannot be made as asked
        ├── SessionUnknown      136  no session of that id
        ├── SignInRefused       137  name, password or code is not right
        ├── SignInHeldBack      138  too many refused attempts: not yet
        ├── NotSignedIn         139  no session or service token, or one that has ended
        ├── WebhookUnknown       76  no webhook of that name in the config in force
        ├── NothingToExport      80  no sealed usage matches
        ├── UsageUnknown         81  a usage file or receipt that this site's chain does not know
        ├── ModelUnknown        104  no model of that name, or not for this site
        ├── NotServing          100  no gateway is running on this state
        ├── AuditBroken         101  the audit trail is not what was written
        ├── StorageFull          82  the disk has no room to record another call
        ├── EntryUnknown         83  no exchange of that id is in the ledger, or in a sealed file
        ├── EntryPruned          84  it was, and its retention is over
        ├── BackupRefused        85  a backup that cannot be opened, or put back here
        ├── LedgerLost           86  what a rebuild needs cannot be read any more
        └── LicenceRefused    20-28  the licence ladder's rungs (licensing/standing.py)
"""

from __future__ import annotations

from licensing.errors import Refusal
from licensing.standing import Standing


class ApplianceError(Refusal):
    """Root of what the appliance refuses."""

    code = "appliance_refused"


class NotInitialised(ApplianceError):
    code = "not_initialised"
    exit_code = 40
    default_remedy = "Run: ao init --site ID --name NAME --trust trust.json"


class AlreadyInitialised(ApplianceError):
    code = "already_initialised"
    exit_code = 41
    default_remedy = "Use the site that is there, or name another folder with --state-dir."


class StateUnwritable(ApplianceError):
    code = "state_not_writable"
    exit_code = 42
    http_status = 503
    default_remedy = "Check the folder's owner, mode, mount options and free space, or name another with --state-dir."


class StateDamaged(ApplianceError):
    code = "state_damaged"
    exit_code = 43
    http_status = 503
    default_remedy = "Run: ao ledger rebuild. Where that cannot help, restore a backup: ao restore FILE."


class PortTaken(ApplianceError):
    code = "port_taken"
    exit_code = 44
    default_remedy = "Stop what listens there, or choose another with --port."


class GatewayFailed(ApplianceError):
    code = "gateway_failed"
    exit_code = 45
    default_remedy = "Read the lines above this one, and start it again: ao serve."


class SettingsRefused(ApplianceError):
    code = "settings_refused"
    exit_code = 46
    default_remedy = "Correct the settings file."


class CertificateRefused(ApplianceError):
    code = "certificate_refused"
    exit_code = 140
    default_remedy = "Put a good file in its place, or name another in the settings file (tls_certificate, tls_key)."


class ClientAuthorityRefused(ApplianceError):
    code = "client_authority_refused"
    exit_code = 141
    default_remedy = "Put a good file in its place, or name another in the settings file (tls_client_ca, …_crl)."


class ReloadFailed(ApplianceError):
    code = "reload_failed"
    exit_code = 142
    http_status = 503
    default_remedy = "What was served before is still served. Read the gateway's log, and try again: ao tls reload."


class AuthorityRefused(ApplianceError):
    code = "authority_refused"
    exit_code = 143
    default_remedy = "Name the authority's folder with --ca, or make one: ao tls init-ca."


class IssueRefused(ApplianceError):
    code = "issue_refused"
    exit_code = 144
    default_remedy = "Correct the option and try again."


class PlainListener(ApplianceError):
    code = "plain_listener"
    exit_code = 145
    default_remedy = "Name tls_certificate and tls_key in the settings file, and start the gateway again."


class VendorToolsMissing(ApplianceError):
    code = "vendor_tools_missing"
    exit_code = 47
    default_remedy = "Run the demonstration from a source checkout (make run), which has both sides."


class AlreadyServing(ApplianceError):
    code = "already_serving"
    exit_code = 48
    default_remedy = "Stop the other one first, or give this one a state folder of its own."


class NotServing(ApplianceError):
    code = "not_serving"
    exit_code = 100
    http_status = 503
    default_remedy = "Start it: ao serve."


class AuditBroken(ApplianceError):
    code = "audit_broken"
    exit_code = 101
    default_remedy = "Keep this state as it is, compare it with the exported trail, and tell the security officer."


class ClockWrong(ApplianceError):
    code = "clock_wrong"
    exit_code = 49
    default_remedy = "Set this host's clock to the true time, and run the command again."


class ConfigRefused(ApplianceError):
    code = "config_refused"
    exit_code = 60
    default_remedy = "Correct the config at that place, have it signed again, and import it."


class ConfigMissing(ApplianceError):
    code = "config_missing"
    exit_code = 61
    http_status = 503
    default_remedy = "Import a signed config: ao config import FILE."


class SecretMissing(ApplianceError):
    code = "secret_missing"
    exit_code = 62
    http_status = 503
    default_remedy = "Set the variable in the service's environment, or put a file of that name in the secrets folder."


class ConfigFrozen(ApplianceError):
    code = "config_frozen"
    exit_code = 63
    default_remedy = "Renew the licence first; the config in force stays in force."


class OfficerKeyRefused(ApplianceError):
    code = "officer_key_refused"
    exit_code = 64
    default_remedy = "Name the officer's own key file; a new one is made with: ao officer new."


class ConfigUnusable(ApplianceError):
    code = "config_unusable"
    exit_code = 65
    http_status = 503
    default_remedy = "Import a config that is signed by those who may sign now: ao config import FILE."


class FeatureUnbuilt(ApplianceError):
    code = "feature_not_in_release"
    exit_code = 66
    default_remedy = "Take the section out of the config, or wait for a release whose notes name it."


class SealRefused(ApplianceError):
    code = "seal_refused"
    exit_code = 67
    default_remedy = "Seal the key again for this site and entry (ao config seal), and have the config signed."


class RollbackRefused(ApplianceError):
    code = "rollback_refused"
    exit_code = 68
    http_status = 409
    default_remedy = "See ao config history for what can be gone back to, or import a newer config."


class ProviderUnknown(ApplianceError):
    code = "provider_unknown"
    exit_code = 69
    http_status = 404
    default_remedy = "List the catalogue: ao providers list."


class ModelUnknown(ApplianceError):
    code = "model_unknown"
    exit_code = 104
    http_status = 404
    default_remedy = "List the models: ao config show."


class KeyUnknown(ApplianceError):
    code = "key_unknown"
    exit_code = 70
    http_status = 404
    default_remedy = "List the keys: ao keys list."


class KeyRefused(ApplianceError):
    code = "key_refused"
    exit_code = 71
    default_remedy = "Correct the option and try again."


class CapsRefused(ApplianceError):
    code = "caps_refused"
    exit_code = 72
    default_remedy = "Correct the option and try again."


class TeamUnknown(ApplianceError):
    code = "team_unknown"
    exit_code = 73
    http_status = 404
    default_remedy = "List them: ao orgs list, ao teams list."


class TeamRefused(ApplianceError):
    code = "team_refused"
    exit_code = 74
    default_remedy = "Correct the name and try again."


class NotPermitted(ApplianceError):
    code = "not_permitted"
    exit_code = 75
    http_status = 403
    default_remedy = "Ask an administrator whose role allows it, or have a role granted: ao admins grant."


class AdministratorUnknown(ApplianceError):
    code = "administrator_unknown"
    exit_code = 130
    http_status = 404
    default_remedy = "List them: ao admins list."


class AdministratorRefused(ApplianceError):
    code = "administrator_refused"
    exit_code = 131
    default_remedy = "Correct it and try again; nothing was changed."


class RoleUnknown(ApplianceError):
    code = "role_unknown"
    exit_code = 132
    http_status = 404
    default_remedy = "List them: ao roles list."


class RoleRefused(ApplianceError):
    code = "role_refused"
    exit_code = 133
    default_remedy = "Correct the option and try again."


class TokenUnknown(ApplianceError):
    code = "token_unknown"
    exit_code = 134
    http_status = 404
    default_remedy = "List them: ao tokens list."


class TokenRefused(ApplianceError):
    code = "token_refused"
    exit_code = 135
    default_remedy = "Correct the option and try again."


class SessionUnknown(ApplianceError):
    code = "session_unknown"
    exit_code = 136
    http_status = 404
    default_remedy = "List them: ao sessions list."


class SignInRefused(ApplianceError):
    """The same whatever was wrong: it tells nobody which names there are."""

    code = "sign_in_refused"
    exit_code = 137
    http_status = 401
    default_remedy = "Try again with the next code. Who has lost one of them is helped at the host (ao admins reset)."


class SignInHeldBack(ApplianceError):
    """`retry_after`: in how many seconds another attempt is looked at."""

    code = "sign_in_held_back"
    exit_code = 138
    http_status = 429
    default_remedy = "Wait so long, or have it cleared at the host: ao admins reset NAME."

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotSignedIn(ApplianceError):
    code = "not_signed_in"
    exit_code = 139
    http_status = 401
    default_remedy = "Sign in again, or use a service token that is in force."


class WebhookUnknown(ApplianceError):
    code = "webhook_unknown"
    exit_code = 76
    http_status = 404
    default_remedy = "List those that the config names: ao webhooks list."


class NothingToExport(ApplianceError):
    code = "nothing_to_export"
    exit_code = 80
    default_remedy = "Seal a period first: ao usage seal (whole days) or ao usage seal --now."


class UsageUnknown(ApplianceError):
    code = "usage_unknown"
    exit_code = 81
    http_status = 404
    default_remedy = "Check that the file belongs to this site: ao usage show."


class StorageFull(ApplianceError):
    code = "storage_full"
    exit_code = 82
    http_status = 507
    default_remedy = "Make room on the disk of the state folder; calls are let in again by themselves."


class EntryUnknown(ApplianceError):
    code = "entry_unknown"
    exit_code = 83
    http_status = 404
    default_remedy = "Check the request id; a call of today is in no file until its day is sealed."


class EntryPruned(ApplianceError):
    code = "entry_pruned"
    exit_code = 84
    default_remedy = "Look in a backup from before, or keep entries longer: usage.retention_days in the config."


class BackupRefused(ApplianceError):
    code = "backup_refused"
    exit_code = 85
    default_remedy = "Check the file and the passphrase, and name an empty folder with --state-dir."


class LedgerLost(ApplianceError):
    code = "ledger_lost"
    exit_code = 86
    default_remedy = "Restore the last backup into an empty folder: ao restore FILE."


class LicenceRefused(ApplianceError):
    """A rung of the ladder that allows no model calls, as a refusal: code, HTTP status and exit code are the rung's."""

    def __init__(self, standing: Standing) -> None:
        super().__init__(standing.sentence, remedy=standing.terms.remedy)
        # Stated per instance because the ladder's table, not this class, owns these three.
        self.code = standing.code  # type: ignore[misc]
        self.exit_code = standing.terms.exit_code  # type: ignore[misc]
        self.http_status = standing.terms.http_status  # type: ignore[misc]
