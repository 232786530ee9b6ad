"""One carrying: what came in, what goes out, the sheet that a transfer officer signs, and the audit entry of it.

Promise: what was taken in and what was written is recorded also where the medium fails midway; the failure is part of
the record.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from appliance.access.authorise import Permission
from appliance.config.in_force import open_config_in_force
from appliance.config.media_part import MediaPolicy
from appliance.errors import ConfigMissing
from appliance.observe.audit import head
from appliance.operations.media_export import export_medium
from appliance.operations.media_import import Agree, Desk, Taken, import_medium
from appliance.operations.needs import needs
from appliance.operations.transfer_sheet import Sheet, as_dict, as_json, sheets
from appliance.state.database import transaction
from appliance.state.site import Site
from licensing.algorithms import digest
from licensing.errors import Refusal
from licensing.shown import shown
from media.beneath import Beneath
from media.errors import MediaError, UnsafeMount
from media.layout import folder_of
from media.medium import Medium
from media.outbox import Put, put
from media.progress import Progress, untold


@dataclass(frozen=True, slots=True)
class Carrying:
    """Everything that one exchange did. `failure` is why not all of it was written."""

    sheet: Sheet
    failure: MediaError | None = field(default=None)

    @property
    def taken(self) -> tuple[Taken, ...]:
        return self.sheet.taken

    @property
    def refused(self) -> list[Refusal]:
        return [each.refusal for each in self.taken if each.refusal is not None]

    def as_dict(self) -> dict[str, Any]:
        return as_dict(self.sheet) | ({"error": self.failure.as_dict()} if self.failure else {})


@needs(Permission.MEDIA_READ)
def require_allowed(site: Site, medium: Medium, *, writing: bool) -> list[str]:
    """What the operator should know of how the medium is mounted. Raises UnsafeMount where the policy insists."""
    warnings = medium.warnings(writing=writing)
    missing = medium.mount.missing_options
    if missing and _policy(site).require_safe_mount:
        raise UnsafeMount(
            f"The medium is not mounted {','.join(missing)}, as this site asks for before anything is taken from it.",
            where=shown(str(medium.path), 400),
            remedy="Mount it so and run: ao media import; then mount it writable and run: ao media export."
            if writing
            else None,
        )
    return warnings


def exchange(
    desk: Desk,
    root: Beneath,
    medium: Medium,
    agree: Agree,
    *,
    operator: str,
    everything: bool = False,
    request: bool = False,
    take: bool = True,
    give: bool = True,
    progress: Progress = untold,
) -> Carrying:
    """Takes in, gives out, records it, writes the sheet. Raises MediaError where the medium cannot even be looked at;
    then nothing was done."""
    site = desk.site
    site.require(Permission.MEDIA_WRITE)
    taken = import_medium(desk, root, agree, progress=progress) if take else []
    sent = (
        export_medium(site, root, desk.now, everything=everything, request=request, progress=progress)
        if give
        else Put()
    )
    sheet = Sheet(
        site=site.id,
        operator=operator,
        at=desk.now,
        medium=medium.description,
        taken=tuple(taken),
        sent=sent.written,
        serials=sent.serials,
        failed=sent.failure.code if sent.failure else None,
        audit_head=head(site.database),
    )
    record(site, sheet)
    carrying = Carrying(sheet, sent.failure)
    return _with_sheets(root, carrying) if give else carrying


@needs(Permission.MEDIA_WRITE)
def record(site: Site, sheet: Sheet) -> None:
    """The exchange as an audit entry: the sheet's digest and counts. The sheet itself names every file."""
    outcomes = [each.outcome for each in sheet.taken]
    with transaction(site.database):
        site.record(
            "media.exchange",
            sheet.medium,
            sheet.at,
            after=digest(as_json(sheet)),
            detail={
                "operator": sheet.operator,
                **{outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
                "written": len(sheet.sent),
                **({"failed": sheet.failed} if sheet.failed else {}),
            },
        )


def _with_sheets(root: Beneath, carrying: Carrying) -> Carrying:
    """Writes the sheet onto the medium, if that still takes anything."""
    site = carrying.sheet.site
    try:
        there = root.names(folder_of("to-vendor", site))
    except MediaError as failed:
        return replace(carrying, failure=carrying.failure or failed)
    failure = put(root, "to-vendor", site, sheets(carrying.sheet, there)).failure
    return replace(carrying, failure=carrying.failure or failure)


def _policy(site: Site) -> MediaPolicy:
    """That of the config in force; the strict one where there is a config that cannot be believed any more."""
    try:
        return open_config_in_force(site, site.trust()).verified.claims.media
    except ConfigMissing:
        return MediaPolicy()
    except Refusal:
        return MediaPolicy(require_safe_mount=True)
