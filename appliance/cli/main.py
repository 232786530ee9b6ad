"""The `ao` command: one group, its commands in one file a subject."""

from __future__ import annotations

from importlib.metadata import entry_points

import click

from appliance.cli import (
    admins,
    anomaly,
    audit,
    backup,
    config,
    keys,
    ledger,
    licence,
    media,
    metrics,
    officer,
    providers,
    quickstart,
    receipt,
    roles,
    route,
    serve,
    service_tokens,
    sessions,
    site,
    state,
    status,
    teams,
    tls,
    trust,
    usage,
    verify,
    webhooks,
)
from appliance.cli.entry import CONTEXT
from licensing.version import __version__


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="ao")
def main() -> None:
    """AO Appliance: one governed endpoint in front of your models, with no internet.

    \b
    Exit codes: 0 done, 1 unexpected fault, 2 wrong use of the command,
    10-19 a document was refused, 20-28 the licence does not allow it,
    40-49 this host or its state, 50-59 media, 60-69 the config,
    70-79 API keys, orgs, teams and webhooks, 80-89 usage, 90-99 passphrases,
    100-109 the running gateway, its audit trail, media that are plugged in,
    110-129 installing, checking, upgrading and removing the appliance on this host,
    130-139 administrators, roles, tokens, sessions, 140-149 certificates of the gateway.
    Every refusal also has a stable code in [brackets].
    """


site.add_to(main)
licence.add_to(main)
config.add_to(main)
route.add_to(main)
keys.add_to(main)
teams.add_to(main)
admins.add_to(main)
roles.add_to(main)
service_tokens.add_to(main)
sessions.add_to(main)
serve.add_to(main)
usage.add_to(main)
ledger.add_to(main)
receipt.add_to(main)
backup.add_to(main)
state.add_to(main)
status.add_to(main)
metrics.add_to(main)
audit.add_to(main)
media.add_to(main)
trust.add_to(main)
officer.add_to(main)
verify.add_to(main)
providers.add_to(main)
quickstart.add_to(main)
anomaly.add_to(main)
webhooks.add_to(main)
tls.add_to(main)

COMMANDS = "ao.commands"
"""Other packages of the product add their commands under this entry-point group: the appliance never imports them."""

for each in sorted(entry_points(group=COMMANDS), key=lambda entry: entry.name):
    each.load()(main)
