"""Where everything lies on a host, as names. They are the host's own; `Layout.on_disk` puts them under --root.

Promise: pure; whoever reads this page knows every place that the installer ever writes to.

    /opt/ao/releases/<version>/     a release, as its MANIFEST says, never changed after it has come here
    /opt/ao/current                 a link to the release that runs
    /opt/ao/installer/              the installer's record of what it did, and what it replaced
    /etc/ao/settings.toml           this host's facts; made once, then the operator's
    /etc/ao/secrets/NAME            one secret a file, for the config's ${NAME}
    /etc/ao/remove-data             what takes the data away, where a package was removed and its data kept
    /var/lib/ao/                    the state: keys, documents, ledger, journal
    /var/lib/ao/snapshots/          the state as it was before an upgrade
    /etc/systemd/system/ao.service  and ao.service.d/50-network.conf, 60-secrets.conf
    /usr/local/bin/ao               a link to current/bin/ao
    /var/backups/ao-appliance/      the last usage files, where a package was removed
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

THIS_HOST = PurePosixPath("/")
USER = "ao"
PREFIX = PurePosixPath("/opt/ao")
RELEASES = PREFIX / "releases"
CURRENT = PREFIX / "current"
INSTALLER = PREFIX / "installer"
RECORD = INSTALLER / "record.jsonl"
KEPT = INSTALLER / "kept"
CONFIG = PurePosixPath("/etc/ao")
SETTINGS = CONFIG / "settings.toml"
SECRETS = CONFIG / "secrets"
PACKAGE_ANSWERS = CONFIG / "install.toml"
REMOVE_DATA = CONFIG / "remove-data"
STATE = PurePosixPath("/var/lib/ao")
DATABASE = STATE / "ao.db"
SNAPSHOTS = STATE / "snapshots"
UNITS = PurePosixPath("/etc/systemd/system")
UNIT = "ao.service"
UNIT_FILE = UNITS / UNIT
DROP_INS = UNITS / f"{UNIT}.d"
NETWORK_DROP_IN = DROP_INS / "50-network.conf"
SECRETS_DROP_IN = DROP_INS / "60-secrets.conf"
WANTS = UNITS / "multi-user.target.wants"
ENABLED = WANTS / UNIT
COMMAND = PurePosixPath("/usr/local/bin/ao")
LAST_USAGE = PurePosixPath("/var/backups/ao-appliance")


@dataclass(frozen=True, slots=True)
class Layout:
    """The same names under another root. `root` is absolute; "/" is the host itself."""

    root: PurePosixPath = THIS_HOST

    @property
    def is_this_host(self) -> bool:
        return self.root == THIS_HOST

    def on_disk(self, path: PurePosixPath) -> PurePosixPath:
        return self.root / path.relative_to("/")

    def release(self, version: str) -> PurePosixPath:
        return RELEASES / version
