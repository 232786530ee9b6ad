"""The systemd unit of the gateway, as text that follows from the answers and the host's systemd.

Promise: pure. The unit says no more than the systemd at hand understands where that would weaken it, and names what it
does instead. Secrets are systemd's credentials from 247 on; before, a folder that the user `ao` alone may read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from installer.answers import Answers
from installer.layout import COMMAND, CURRENT, SECRETS, STATE, USER

CREDENTIALS_SINCE = 247
STOP_SECONDS = 75
"""More than the gateway takes to let its exchanges finish, so that systemd never cuts them off."""

# Codes that a restart cannot mend: the licence, the site, its config. The reason is in the journal, once.
_NOT_AGAIN = "2 20 21 22 23 24 25 26 27 28 40 41 43 46 47 48 49 60 61 62 63 64 65 66 67 68 69 140 141"


@dataclass(frozen=True, slots=True)
class Secrets:
    """How the gateway comes by its secrets: `names` are the files that lie in /etc/ao/secrets now."""

    names: tuple[str, ...]
    as_credentials: bool


def service(answers: Answers, systemd: int) -> str:
    """ao.service."""
    low_port = answers.port < 1024
    capabilities = "CAP_NET_BIND_SERVICE" if low_port else ""
    hardening = [
        f"CapabilityBoundingSet={capabilities}",
        f"AmbientCapabilities={capabilities}",
        "NoNewPrivileges=yes",
        "PrivateDevices=yes",
        "PrivateTmp=yes",
        # A user namespace has no right to a port below 1024.
        *([] if low_port else ["PrivateUsers=yes"]),
        "ProtectClock=yes",
        "ProtectControlGroups=yes",
        "ProtectHome=yes",
        "ProtectHostname=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        *(["ProtectProc=invisible"] if systemd >= CREDENTIALS_SINCE else []),
        "ProtectSystem=strict",
        f"ReadWritePaths={STATE}",
        "RemoveIPC=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "LockPersonality=yes",
        "MemoryDenyWriteExecute=yes",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        # Refused, not killed: a library that tries a call and can do without it goes on.
        "SystemCallErrorNumber=EPERM",
        "UMask=0077",
        "LimitCORE=0",
        "LimitNOFILE=65536",
    ]
    return "\n".join(
        [
            "# Written by the installer, and again by each upgrade. Changes of your own belong into your own file,",
            "# /etc/systemd/system/ao.service.d/90-local.conf (then: systemctl daemon-reload).",
            "[Unit]",
            "Description=AO Appliance: the gateway",
            "Documentation=file:/opt/ao/current/docs/README.md",
            "Wants=network-online.target",
            "After=network-online.target local-fs.target",
            "# A gateway that fails five times within five minutes is left alone, for somebody to look.",
            "StartLimitIntervalSec=300",
            "StartLimitBurst=5",
            "",
            "[Service]",
            "Type=exec",
            f"ExecStart={CURRENT}/bin/ao serve",
            "# The certificate is taken up anew, and no call is dropped. A bad one is refused, and changes nothing.",
            f"ExecReload={CURRENT}/bin/ao tls reload",
            f"User={USER}",
            f"Group={USER}",
            f"WorkingDirectory={STATE}",
            "Restart=on-failure",
            "RestartSec=2",
            f"RestartPreventExitStatus={_NOT_AGAIN}",
            "# The main process lets exchanges in flight finish and closes the books; only then it ends.",
            "KillMode=mixed",
            f"TimeoutStopSec={STOP_SECONDS}",
            "# The threads that a call passes through do not interrupt each other. The filter below keeps the gateway",
            "# from asking for that itself.",
            "CPUSchedulingPolicy=batch",
            "TasksMax=4096",
            *hardening,
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )


def network(allow: Sequence[IPv4Network | IPv6Network]) -> str:
    """50-network.conf: the policy of addresses, enforced by the kernel for every packet of the gateway."""
    return "\n".join(
        [
            "# The gateway's packets come from and go to these networks alone. From the answers of the installation;",
            f"# another policy: answer again ({COMMAND} install --answers FILE), or add IPAddressAllow= in a file of",
            "# your own beside this one.",
            "[Service]",
            "IPAddressDeny=any",
            "IPAddressAllow=localhost",
            *(f"IPAddressAllow={each}" for each in allow),
            "",
        ]
    )


def secrets(found: Secrets) -> str:
    """60-secrets.conf: how the files in /etc/ao/secrets reach the gateway."""
    if found.as_credentials:
        lines = [
            "# Each file reaches the gateway as a credential of systemd, readable by it alone. After adding one:",
            f"# {COMMAND} install   and   systemctl restart ao",
            "[Service]",
            *(f"LoadCredential={name}:{SECRETS}/{name}" for name in found.names),
        ]
    else:
        lines = [
            f"# This systemd has no LoadCredential= (before {CREDENTIALS_SINCE}): the gateway reads the folder itself.",
            "[Service]",
            f"Environment=CREDENTIALS_DIRECTORY={SECRETS}",
        ]
    return "\n".join([*lines, ""])


def settings(answers: Answers) -> str:
    """settings.toml, made once."""
    return "\n".join(
        [
            "# Facts of this host. Made by the installer, and from then on yours: no upgrade writes here.",
            f'state_dir = "{STATE}"',
            f'host = "{answers.listen}"',
            f"port = {answers.port}",
            f"workers = {answers.workers}",
            f'secrets_dir = "{SECRETS}"',
            "",
        ]
    )
