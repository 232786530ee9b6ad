"""`ao admins create|list|show|grant|revoke-grant|disable|enable|reset|totp|remove`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from appliance.access.administrators import Administrator, known_name
from appliance.access.authorise import Scope
from appliance.access.roles import Granted
from appliance.cli.face import Face, Result, command, table
from appliance.cli.qr import qr_lines
from appliance.errors import AdministratorRefused
from appliance.operations.administrators import (
    Enrolment,
    create_administrator,
    disable_administrator,
    enable_administrator,
    find_administrator,
    grant_role,
    list_administrators,
    remove_administrator,
    renew_totp,
    reset_administrator,
    revoke_role,
)
from licensing.document import format_time
from media.errors import PassphraseMissing
from media.passphrase import taken_from

P = ParamSpec("P")
T = TypeVar("T")


def add_to(main: click.Group) -> None:
    @main.group("admins")
    def group() -> None:
        """Who administers this site, besides those at its console."""

    _making(group)
    _granting(group)
    _living(group)


def scope_options(function: Callable[P, T]) -> Callable[P, T]:
    """`--org` and `--team`."""
    org = click.option("--org", help="Within this org. [default: the whole site]")
    team = click.option("--team", help="Within this team of the org.")
    return org(team(function))


def scope_in(org: str | None, team: str | None) -> Scope:
    if team is not None and org is None:
        raise click.UsageError("Name the --org that the --team is of.")
    return Scope(org, team)


def scope_data(scope: Scope) -> dict[str, str | None]:
    return {"org": scope.org, "team": scope.team}


def _password_options(function: Callable[P, T]) -> Callable[P, T]:
    by_file = click.option(
        "--password-file", type=click.Path(path_type=Path), help="Read it from this file, which only you may read."
    )
    by_descriptor = click.option("--password-fd", type=click.IntRange(min=0), help="Read it from this descriptor.")
    return by_file(by_descriptor(function))


def _password(file: Path | None, descriptor: int | None, name: str) -> str:
    """From the file, the descriptor or the prompt: never an argument, which others see."""
    if file is not None and descriptor is not None:
        raise click.UsageError("Give --password-file or --password-fd, not both.")
    new = taken_from(file, descriptor, _prompt, question=f"New password of {name}", confirm=False)
    if file is None and descriptor is None and _prompt("The same once more").encode() != new.reveal():
        raise AdministratorRefused("The two passwords differ.")
    try:
        return new.reveal().decode("utf-8")
    except UnicodeDecodeError:
        raise AdministratorRefused("The password is not text in UTF-8.") from None


def _prompt(question: str) -> str:
    try:
        typed: str = click.prompt(question, hide_input=True, err=True, default="", show_default=False)
    except click.Abort as error:
        raise PassphraseMissing("Nothing was typed at the prompt.") from error
    return typed


def _making(group: click.Group) -> None:
    @command(group, "create", example="ao admins create anna --role org-admin --org bank")
    @click.argument("name")
    @click.option("--role", "roles", multiple=True, help="A role, within --org and --team. See ao roles list.")
    @scope_options
    @_password_options
    def create(
        face: Face,
        *,
        name: str,
        roles: tuple[str, ...],
        org: str | None,
        team: str | None,
        password_file: Path | None,
        password_fd: int | None,
    ) -> Result:
        """Make an administrator. What their authenticator app needs is shown now and never again."""
        within = scope_in(org, team)
        known_name(name)
        with face.site() as site:
            password = _password(password_file, password_fd, name)
            made = create_administrator(site, name, password, [Granted(role, within) for role in roles], face.now)
        return _enrolled(made, f"{name} may sign in from now on.")

    @command(group, "reset", example="ao admins reset anna")
    @click.argument("name")
    @_password_options
    def reset(face: Face, *, name: str, password_file: Path | None, password_fd: int | None) -> Result:
        """Help out who has lost password or app, or is held back: both are made new, all sessions end."""
        with face.site() as site:
            find_administrator(site, name)
            made = reset_administrator(site, name, _password(password_file, password_fd, name), face.now)
        return _enrolled(made, f"{name} signs in with the new password and the new secret; nothing holds them back.")

    @command(group, "totp", example="ao admins totp anna")
    @click.argument("name")
    def totp(face: Face, *, name: str) -> Result:
        """Make a new secret for an administrator's authenticator app, and new recovery codes. Their sessions end."""
        with face.site() as site:
            made = renew_totp(site, name, face.now)
        return _enrolled(made, f"{name} signs in with the new secret; the old one is no use any more.")


def _granting(group: click.Group) -> None:
    @command(group, "grant", example="ao admins grant anna team-lead --org bank --team cards")
    @click.argument("name")
    @click.argument("role")
    @scope_options
    def grant(face: Face, *, name: str, role: str, org: str | None, team: str | None) -> Result:
        """Give an administrator a role, within an org or a team, or for the whole site. At once."""
        granted = Granted(role, scope_in(org, team))
        with face.site() as site:
            found, changed = grant_role(site, name, granted, face.now)
        return Result(
            {**_data(found), "changed": changed}, [f"{name} is {granted}" + ("." if changed else " already.")]
        )

    @command(group, "revoke-grant", example="ao admins revoke-grant anna team-lead --org bank --team cards")
    @click.argument("name")
    @click.argument("role")
    @scope_options
    def revoke(face: Face, *, name: str, role: str, org: str | None, team: str | None) -> Result:
        """Take a role from an administrator. At once, in open sessions too."""
        granted = Granted(role, scope_in(org, team))
        with face.site() as site:
            found, changed = revoke_role(site, name, granted, face.now)
        told = f"{name} is not {granted} any more." if changed else f"{name} was not {granted}."
        return Result({**_data(found), "changed": changed}, [told])


def _living(group: click.Group) -> None:
    @command(group, "list", example="ao admins list")
    def list_(face: Face) -> Result:
        """List all administrators and what they may do."""
        with face.site() as site:
            found = list_administrators(site)
        rows = [
            (each.name, each.state, "; ".join(map(str, each.roles)) or "–", _time(each.signed_in_at) or "–")
            for each in found
        ]
        lines = table(("name", "state", "roles", "signed in"), rows)
        return Result({"administrators": [_data(each) for each in found]}, lines)

    @command(group, "show", example="ao admins show anna")
    @click.argument("name")
    def show(face: Face, *, name: str) -> Result:
        """Show what is known of an administrator."""
        with face.site() as site:
            found = find_administrator(site, name)
        lines = [f"{key}: {value}" for key, value in _data(found).items() if key != "roles"]
        return Result(_data(found), [*lines, *(f"role: {each}" for each in found.roles)])

    @command(group, "disable", example="ao admins disable anna")
    @click.argument("name")
    def disable(face: Face, *, name: str) -> Result:
        """Let an administrator sign in no more, until enabled again. Sessions end, their service tokens rest."""
        with face.site() as site:
            found, changed = disable_administrator(site, name, face.now)
        told = f"{name} is disabled" + ("." if changed else " already.")
        return Result({**_data(found), "changed": changed}, [told])

    @command(group, "enable", example="ao admins enable anna")
    @click.argument("name")
    def enable(face: Face, *, name: str) -> Result:
        """Let a disabled administrator sign in again."""
        with face.site() as site:
            found, changed = enable_administrator(site, name, face.now)
        told = f"{name} may sign in" + (" again." if changed else " already.")
        return Result({**_data(found), "changed": changed}, [told])

    @command(group, "remove", example="ao admins remove anna --yes")
    @click.argument("name")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    def remove(face: Face, *, name: str, yes: bool) -> Result:
        """Take an administrator away for good, with roles and sessions. What they did stays in the audit trail."""
        with face.site() as site:
            find_administrator(site, name)
            if not yes and (face.as_json or not click.confirm(f"Take {name} away?", err=True)):
                return Result({"removed": False}, ["Nothing was changed."], 1)
            remove_administrator(site, name, face.now)
        return Result({"removed": True}, [f"{name} is no administrator any more."])


def _enrolled(made: Enrolment, told: str) -> Result:
    data = {
        **_data(made.administrator),
        "totp_secret": made.secret,
        "totp_uri": made.uri,
        "recovery_codes": list(made.recovery_codes),
    }
    lines = [
        told,
        "Let their authenticator app read this, or type the secret into it:",
        "",
        *qr_lines(made.uri),
        "",
        f"  {made.secret}",
        f"  {made.uri}",
        "",
        "Each of these opens once in the place of a code, when the app is lost or this host's clock is wrong:",
        *(f"  {code}" for code in made.recovery_codes),
        "This is the only time that any of it is shown.",
    ]
    return Result(data, lines)


def _data(found: Administrator) -> dict[str, Any]:
    return {
        "name": found.name,
        "state": found.state,
        "roles": [{"role": each.role, **scope_data(each.within)} for each in found.roles],
        "created_at": format_time(found.created_at),
        "password_at": format_time(found.password_at),
        "totp_at": format_time(found.totp_at),
        "signed_in_at": _time(found.signed_in_at),
        "recovery_codes_left": found.codes_left,
    }


def _time(at: Any) -> str | None:
    return format_time(at) if at else None
