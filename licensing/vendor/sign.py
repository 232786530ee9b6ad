"""A config, signed for one site.

Promise: pure. What the author wrote leaves here byte for byte as it came. Where the text has no head, one is put before
it; where it has one, it is checked and never rewritten. What is signed was read back first and says exactly what the
text said, with that head; and the signed file opens again under the vendor's own trust, within the size that a site
reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from licensing.config_header import HEADER_MEMBERS, ConfigHeader, header_of
from licensing.document import PAYLOAD_TYPES, format_time
from licensing.envelope import BEGIN, Signer
from licensing.errors import LicensingError
from licensing.trust import Trust
from licensing.vendor.countersign import Countersigned, sign_together
from licensing.vendor.errors import ConfigRefused
from media.errors import YamlRefused
from media.reader import LIMITS
from media.strict_yaml import Document, load

PAYLOAD_TYPE = PAYLOAD_TYPES["config"]


def with_head(text: bytes, *, file: str, site: str, serial: int, now: datetime) -> bytes:
    """The config's body: `text` with a head for this site and serial. `file` is what to call it in a refusal.

    Raises YamlRefused, ConfigRefused, each with the place.
    """
    if BEGIN.rstrip(b"\n") in text:
        raise ConfigRefused(
            "The file carries a signature block already.",
            where=file,
            remedy="Sign the config as it was before it was signed.",
        )
    document, members = _read(text, file)
    if text[:1] == b"{":
        # A document in the clear-signed form that began with a brace would be taken for the JSON form.
        raise ConfigRefused("The file begins with '{'; write its members as lines, 'name: value'.", where=file)
    if not text.endswith(b"\n"):
        raise ConfigRefused("The last line does not end in a newline.", where=file)
    present = [name for name in HEADER_MEMBERS if name in members]
    if not present:
        return _headed(text, members, file=file, site=site, serial=serial, now=now)
    if len(present) < len(HEADER_MEMBERS):
        missing = ", ".join(name for name in HEADER_MEMBERS if name not in members)
        raise ConfigRefused(
            f"The head is there in part; {missing} is missing.",
            where=_place(file, document, present[0]),
            remedy="Write all five members of the head (kind, schema, serial, issued_at, site), or none.",
        )
    _check_head(members, document, file=file, site=site, serial=serial, now=now)
    return text


def sign_config(body: bytes, signers: Sequence[Signer], trust: Trust) -> Countersigned:
    """The file in its clear form, as those who are here sign it. Raises ConfigRefused."""
    signed = sign_together(PAYLOAD_TYPE, body, signers, trust, "config", clear=True)
    _require_readable(len(signed.document))
    return signed


def _headed(text: bytes, members: dict[str, Any], *, file: str, site: str, serial: int, now: datetime) -> bytes:
    # Quoted, because a site may well be called `true` or `007`.
    lines = ("kind: config", "schema: 1", f"serial: {serial}", f'issued_at: "{format_time(now)}"', f'site: "{site}"')
    body = "".join(f"{line}\n" for line in lines).encode("ascii") + text
    _require_readable(len(body))
    try:
        says = load(body).value
        head = header_of(says) if isinstance(says, dict) else None
    except (YamlRefused, LicensingError) as error:
        raise _no_room(file) from error
    if head != ConfigHeader(schema_version=1, serial=serial, issued_at=now, site=site) or says != _head(head) | members:
        raise _no_room(file)
    return body


def _require_readable(size: int) -> None:
    if size > LIMITS["config"]:
        raise ConfigRefused(f"The signed config would have {size} bytes or more; a site reads {LIMITS['config']}.")


def _head(head: ConfigHeader) -> dict[str, Any]:
    return head.model_dump(mode="json", by_alias=True)


def _no_room(file: str) -> ConfigRefused:
    return ConfigRefused(
        "No head can be put before this text.",
        where=file,
        remedy="Begin the members of the config at the left margin, without a line '---', or write the head yourself.",
    )


def _check_head(
    members: dict[str, Any], document: Document, *, file: str, site: str, serial: int, now: datetime
) -> None:
    try:
        head = header_of(members)
    except LicensingError as error:
        raise ConfigRefused(error.message, where=_place(file, document, "kind")) from error
    if head.site != site:
        raise ConfigRefused(
            f"The config is for site {head.site!r}; it was to be signed for {site!r}.",
            where=_place(file, document, "site"),
        )
    if head.serial != serial:
        raise ConfigRefused(
            f"The config has serial {head.serial}; the next one for site {site!r} is {serial}.",
            where=_place(file, document, "serial"),
        )
    if head.issued_at > now:
        # A site believes no time earlier than a verified date of issue: one in the future would stop its clock.
        raise ConfigRefused(
            f"The config is dated {format_time(head.issued_at)}, which has not come yet.",
            where=_place(file, document, "issued_at"),
        )


def _read(text: bytes, file: str) -> tuple[Document, dict[str, Any]]:
    try:
        document = load(text)
    except YamlRefused as error:
        where = f"{file}, {error.where}" if error.where else file
        remedy = "Correct the file at the place named and sign it again; nothing was recorded."
        raise YamlRefused(error.message, where=where, remedy=remedy) from error
    if not isinstance(document.value, dict):
        raise ConfigRefused("The config is not a mapping of names to values.", where=file)
    return document, document.value


def _place(file: str, document: Document, member: str) -> str:
    return f"{file}, {document.where((member,))}"
