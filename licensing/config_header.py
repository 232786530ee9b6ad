"""The head of a config: the members that every signed body has. What follows it is the appliance's to understand.

A config is YAML, read by `media.strict_yaml`; this module is given the mapping that came out, or the reader.

Promise of `with_head`: what the author wrote leaves it byte for byte as it came. Where the text has no head, one is put
before it; where it has one, it is checked and never rewritten. What is to be signed was read back first and says
exactly what the text said, with that head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol

from pydantic import Field

from licensing.document import Body, SiteId, format_time
from licensing.envelope import BEGIN
from licensing.errors import LicensingError, Malformed, Refusal


class ConfigHeader(Body):
    """`serial` rises with every config; `site` is the one site that it is for."""

    KIND: ClassVar[str] = "config"

    kind: Literal["config"] = "config"
    serial: int = Field(ge=1, le=2**62)
    site: SiteId


HEADER_MEMBERS = ("kind", "schema", "serial", "issued_at", "site")


def header_of(members: Mapping[str, Any]) -> ConfigHeader:
    """The header among a config's top-level members. Raises Malformed, WrongKind."""
    return ConfigHeader.from_mapping({name: members[name] for name in HEADER_MEMBERS if name in members})


class ReadText(Protocol):
    """A YAML text that was read: what it says, and where in it a member stands (`media.yaml_document.Document`)."""

    @property
    def value(self) -> Any: ...

    def where(self, path: tuple[str | int, ...]) -> str: ...


Reader = Callable[[bytes], ReadText]
"""Reads YAML, or raises a Refusal that names the file and the place."""


def with_head(text: bytes, *, file: str, site: str, serial: int, now: datetime, limit: int, read: Reader) -> bytes:
    """The config's body: `text` with a head for this site and serial, in at most `limit` bytes.

    `file` is what to call the text in a refusal. Raises Malformed, WrongKind with the place, and what `read` raises.
    """
    wanted = _wanted(site, serial, now)
    if BEGIN.rstrip(b"\n") in text:
        raise Malformed(
            "The file carries a signature block already.",
            where=file,
            remedy="Sign the config as it was before it was signed.",
        )
    document = read(text)
    members = document.value
    if not isinstance(members, dict):
        raise _refused("The config is not a mapping of names to values.", file)
    if text[:1] == b"{":
        # A document in the clear-signed form that began with a brace would be taken for the JSON form.
        raise _refused("The file begins with '{'; write its members as lines, 'name: value'.", file)
    if not text.endswith(b"\n"):
        raise _refused("The last line does not end in a newline.", file)
    present = [name for name in HEADER_MEMBERS if name in members]
    if not present:
        return _headed(text, members, wanted, file=file, limit=limit, read=read)
    if len(present) < len(HEADER_MEMBERS):
        missing = ", ".join(name for name in HEADER_MEMBERS if name not in members)
        raise Malformed(
            f"The head is there in part; {missing} is missing.",
            where=_place(file, document, present[0]),
            remedy="Write all five members of the head (kind, schema, serial, issued_at, site), or none.",
        )
    _check_head(members, document, wanted, file)
    return text


def _wanted(site: str, serial: int, now: datetime) -> ConfigHeader:
    try:
        return header_of({"kind": "config", "schema": 1, "serial": serial, "issued_at": format_time(now), "site": site})
    except LicensingError as error:
        raise Malformed(error.message, remedy="Check the site's id and the serial on the command line.") from error


def _headed(text: bytes, members: dict[str, Any], head: ConfigHeader, *, file: str, limit: int, read: Reader) -> bytes:
    # Quoted, because a site may well be called `true` or `007`.
    issued_at = format_time(head.issued_at)
    lines = ("kind: config", "schema: 1", f"serial: {head.serial}", f'issued_at: "{issued_at}"', f'site: "{head.site}"')
    body = "".join(f"{line}\n" for line in lines).encode("ascii") + text
    if len(body) > limit:
        raise _refused(f"With its head the config has {len(body)} bytes; a site reads {limit}.", file)
    try:
        says = read(body).value
        found = header_of(says) if isinstance(says, dict) else None
    except Refusal as error:
        raise _no_room(file) from error
    if found != head or says != head.model_dump(mode="json", by_alias=True) | members:
        raise _no_room(file)
    return body


def _check_head(members: dict[str, Any], document: ReadText, wanted: ConfigHeader, file: str) -> None:
    try:
        head = header_of(members)
    except LicensingError as error:
        raise _refused(error.message, _place(file, document, "kind")) from error
    if head.site != wanted.site:
        raise _refused(
            f"The config is for site {head.site!r}; it was to be signed for {wanted.site!r}.",
            _place(file, document, "site"),
        )
    if head.serial != wanted.serial:
        raise _refused(
            f"The config has serial {head.serial}; it was to be signed for site {wanted.site!r} as {wanted.serial}.",
            _place(file, document, "serial"),
        )
    if head.issued_at > wanted.issued_at:
        # A site believes no time earlier than a verified date of issue: one in the future would stop its clock.
        raise _refused(
            f"The config is dated {format_time(head.issued_at)}, which has not come yet.",
            _place(file, document, "issued_at"),
        )


def _refused(message: str, where: str) -> Malformed:
    return Malformed(message, where=where, remedy="Correct the file at the place named and sign it again.")


def _no_room(file: str) -> Malformed:
    return Malformed(
        "No head can be put before this text.",
        where=file,
        remedy="Begin the members of the config at the left margin, without a line '---', or write the head yourself.",
    )


def _place(file: str, document: ReadText, member: str) -> str:
    return f"{file}, {document.where((member,))}"
