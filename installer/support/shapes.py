"""What leaves of each document, member by member (pure). SUPPORT.md is this page in words."""

from __future__ import annotations

from typing import Any, Final

from installer.support.forms import (
    address,
    code,
    digest,
    name,
    number,
    origin,
    path,
    time,
    version,
    where_a_key_comes_from,
)
from installer.support.pick import Each

SETTINGS: Final[dict[str, Any]] = {
    "state_dir": path,
    "host": address,
    "port": number,
    "workers": number,
    "secrets_dir": path,
    "streams_per_worker": number,
    "body_memory_mib": number,
    "metrics_from": [address],
    "keep_free_mib": number,
    "admin_listen": name,
    "tls_certificate": path,
    "tls_key": path,
    "tls_client_ca": path,
    "tls_client_crl": path,
    "tls_client": code,
}

STATUS: Final[dict[str, Any]] = {
    "site": name,
    "epoch": number,
    "now": time,
    "time_floor": {"at": time},
    "licence": {
        "rung": code,
        "code": code,
        "serves": number,
        "days_left": number,
        "report_due": time,
    },
    "config": {
        "serial": number,
        "deployments": [
            {
                "alias": name,
                "health": {
                    "deployment": name,
                    "workers": number,
                    "seconds_left": number,
                    "first_byte_p95_ms": number,
                    "whole_p95_ms": number,
                },
            }
        ],
    },
    "config_fault": {"code": code},
    "keys_active": number,
    "running_since": time,
    "usage": {
        "since_receipt": [
            {"model": name, "requests": number, "errors": number, "prompt_tokens": number, "completion_tokens": number}
        ],
        "open_since": time,
        "sealed_seq": number,
        "acknowledged_seq": number,
        "acknowledged_until": time,
    },
}

AUDIT: Final[dict[str, Any]] = {"entries": number, "head": digest}

_LIMITS: Final[dict[str, Any]] = {"concurrent": number, "queue": number, "queue_seconds": number}

CONFIG: Final[dict[str, Any]] = {
    "kind": code,
    "schema": number,
    "serial": number,
    "issued_at": time,
    "site": name,
    "models": [
        {
            "alias": name,
            "provider": {
                "name": name,
                "model": name,
                "api_key": where_a_key_comes_from,
                "api_base": origin,
                "region": code,
            },
            "tags": [name],
            "on_departure": code,
            "drain_seconds": number,
            "weight": number,
            "price": {"input": number, "output": number},
            "limits": _LIMITS,
            "timeouts": {
                "connect_seconds": number,
                "first_byte_seconds": number,
                "idle_seconds": number,
                "total_seconds": number,
            },
            "probe": {"every_seconds": number, "timeout_seconds": number},
        }
    ],
    "routing": Each(name, name),
    "media": {"require_safe_mount": number},
    "secrets": {"forbid_clear": number},
    "rollback": {"not_below": number},
    "usage": {"labels": {"org": code, "team": code, "key": code, "provider": code}, "retention_days": number},
}

UNIT: Final[dict[str, Any]] = {
    "ActiveState": name,
    "SubState": name,
    "Result": name,
    "UnitFileState": name,
    "NRestarts": name,
    "ExecMainCode": name,
    "ExecMainStatus": name,
    "MemoryCurrent": name,
    "TasksCurrent": name,
}

OS: Final[dict[str, Any]] = {"ID": code, "VERSION_ID": version, "VERSION_CODENAME": code}
