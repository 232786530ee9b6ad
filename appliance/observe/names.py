"""Every metric that /metrics shows, in one table: the page METRICS.md, the alert file and the dashboard are held to it.

No label is a string of a caller's: models, endpoints, providers and deployments are those of calls that were admitted,
codes those of the error tree. Above LABEL_SETS different sets a metric says `other`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

LABEL_SETS: Final = 2000
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Metric:
    """`source` is who counts: `ledger` from the journal as it is taken in, exactly and for all workers at once;
    `worker` each worker for itself, summed; `books` the process that keeps the books."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    source: Literal["ledger", "worker", "books"]


_CALL = ("model", "endpoint", "provider", "deployment", "outcome")

METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric("ao_requests_total", "counter", _CALL, "Calls that were admitted, by how they ended.", "ledger"),
            Metric("ao_attempts_total", "counter", ("model",), "Deployments tried for admitted calls.", "ledger"),
            Metric(
                "ao_tokens_total",
                "counter",
                ("model", "kind"),
                "Tokens: prompt, completion and cached as upstreams reported; estimated_* where none did.",
                "ledger",
            ),
            Metric(
                "ao_request_duration_seconds",
                "histogram",
                ("model",),
                "From the request's head to the end of the reply.",
                "ledger",
            ),
            Metric(
                "ao_time_to_first_token_seconds",
                "histogram",
                ("model",),
                "From the request's head to the first frame of a streamed reply.",
                "ledger",
            ),
            Metric(
                "ao_refusals_total",
                "counter",
                ("code", "status"),
                "Answers that were not a model's, by error code: wrong keys, caps, licence, upstreams down.",
                "worker",
            ),
            Metric(
                "ao_quota_refusals_total",
                "counter",
                ("tier", "limit"),
                "Calls refused by a cap: whose (licence, org, team, key), and which one (rpm, tpm, tokens_day …).",
                "worker",
            ),
            Metric(
                "ao_upstream_errors_total",
                "counter",
                ("deployment", "code"),
                "Attempts on a deployment that gave no answer, also where another deployment then did.",
                "worker",
            ),
            Metric("ao_exchanges_open", "gauge", (), "Admitted calls that have not ended.", "worker"),
            Metric(
                "ao_deployment_resting",
                "gauge",
                ("deployment",),
                "How many workers send a deployment no calls: it cools down after failures, or a probe found it down.",
                "worker",
            ),
            Metric(
                "ao_queue_depth", "gauge", ("deployment",), "Calls that wait for a place with a deployment.", "worker"
            ),
            Metric(
                "ao_journal_lag_seconds",
                "gauge",
                (),
                "Since the journal was last brought into the ledger; stays below a second.",
                "books",
            ),
            Metric(
                "ao_licence_left_seconds", "gauge", (), "Until the licence expires; negative: since it has.", "books"
            ),
            Metric("ao_licence_rung", "gauge", ("rung",), "1 for the rung of the ladder that the site is on.", "books"),
            Metric("ao_serving", "gauge", (), "1 where the licence allows model calls.", "books"),
            Metric("ao_clock_trusted", "gauge", (), "0 where this host's clock is not believed.", "books"),
            Metric(
                "ao_clock_ahead_of_floor_seconds",
                "gauge",
                (),
                "How far the clock is ahead of the highest time already seen; negative: behind it.",
                "books",
            ),
            Metric("ao_clock_steps_total", "counter", (), "Steps of the clock seen since the start.", "books"),
            Metric(
                "ao_usage_unacknowledged_seconds",
                "gauge",
                (),
                "How long ago the period ended that the vendor last acknowledged.",
                "books",
            ),
            Metric(
                "ao_tls_certificate_left_seconds",
                "gauge",
                (),
                "Until the first certificate that the listener presents expires; absent where it speaks plain HTTP.",
                "books",
            ),
            Metric("ao_info", "gauge", ("version", "edition", "site"), "Always 1; says what runs here.", "books"),
        )
    }
)


def page_table() -> str:
    """The table as Markdown, for METRICS.md."""
    lines = ["| metric | kind | labels | counted by | what it is |", "|---|---|---|---|---|"]
    for metric in METRICS.values():
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.source} | {metric.help} |")
    return "\n".join(lines) + "\n"
