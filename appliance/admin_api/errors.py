"""What an administrator's program is told by the admin API itself. (What an operation refuses comes through as it is.)

    Refusal
    └── ApplianceError
        └── AdminRefusal
            ├── NotAuthenticated     401  no token, or none that opens anything
            ├── SignatureNeeded      401  this token's calls must be signed
            ├── SignatureWrong       401  the signature is not of this very call
            ├── CallOutOfTime        401  signed at another time than this site's now
            ├── CallReplayed         401  the very same signed call has been made before
            ├── SourceRefused        403  not from this network
            ├── NoSuchRoute          404  nothing is there
            ├── NoSuchMethod         405  something is there, for another method
            ├── CallTooSlow          408  the body did not arrive in time
            ├── ConfirmationRefused  409  a confirmation that is not of this call, or not any more
            ├── CallTooLarge         413  more bytes than any call has
            ├── CallMalformed        400  not what the description says
            ├── ConfirmationNeeded   428  what would happen, to be agreed to
            └── AdminFault           500  a fault of the appliance, told to its log

They have no exit codes: no command ends with one.
"""

from __future__ import annotations

from typing import Any

from appliance.errors import ApplianceError


class AdminRefusal(ApplianceError):
    """Root of what the admin API says by itself."""

    code = "admin_refused"


class NotAuthenticated(AdminRefusal):
    code = "not_authenticated"
    http_status = 401
    default_remedy = "Send a session's or a service token as 'Authorization: Bearer …'."


class SignatureNeeded(AdminRefusal):
    code = "signature_needed"
    http_status = 401
    default_remedy = "Sign the call with the token's signing key; ADMIN_API.md shows how."


class SignatureWrong(AdminRefusal):
    code = "signature_wrong"
    http_status = 401
    default_remedy = "Sign method, path with query, time, nonce and the body's digest exactly as they are sent."


class CallOutOfTime(AdminRefusal):
    code = "call_out_of_time"
    http_status = 401
    default_remedy = "Compare the caller's clock with this host's: ao status. Then sign the call anew."


class CallReplayed(AdminRefusal):
    code = "call_replayed"
    http_status = 401
    default_remedy = "Sign every call anew, with a nonce of its own."


class SourceRefused(AdminRefusal):
    code = "admin_source_not_allowed"
    http_status = 403
    default_remedy = "Call from a network that the administrator's roles and token allow."


class NoSuchRoute(AdminRefusal):
    code = "admin_path_unknown"
    http_status = 404
    default_remedy = "See /admin/v1/openapi.json for what there is."


class NoSuchMethod(AdminRefusal):
    code = "admin_method_unknown"
    http_status = 405
    default_remedy = "See /admin/v1/openapi.json for what there is."

    def __init__(self, message: str, *, allow: str = "") -> None:
        super().__init__(message)
        self.allow = allow


class CallTooSlow(AdminRefusal):
    code = "call_too_slow"
    http_status = 408
    default_remedy = "Send the whole body at once."


class ConfirmationRefused(AdminRefusal):
    code = "confirmation_refused"
    http_status = 409
    default_remedy = "Make the call without x-ao-confirm, read what would happen, and agree to that."


class CallTooLarge(AdminRefusal):
    code = "call_too_large"
    http_status = 413
    default_remedy = "Send a smaller body; no document or call of this API is larger."


class CallMalformed(AdminRefusal):
    code = "call_malformed"
    http_status = 400
    default_remedy = "See /admin/v1/openapi.json for what this call takes."


class ConfirmationNeeded(AdminRefusal):
    """`would` says what would happen; `token` agrees to exactly that."""

    code = "confirmation_needed"
    http_status = 428
    default_remedy = "If that is meant, make the same call again with the header 'x-ao-confirm: <confirm.token>'."

    def __init__(self, would: str, token: str, expires_at: str) -> None:
        super().__init__(would)
        self.token = token
        self.expires_at = expires_at

    def confirmation(self) -> dict[str, Any]:
        return {"token": self.token, "expires_at": self.expires_at}


class AdminFault(AdminRefusal):
    code = "admin_fault"
    http_status = 500
    default_remedy = "Read the log of ao serve at this time, and report it."
