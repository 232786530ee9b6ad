"""What is odd about a usage file that holds: nothing here refuses, all of it is for a person to look at.

Promise: pure. A file that adds up can still say what no licensed site could have done: more calls in a period than its
licence lets through in so many minutes, calls under a licence outside its dates, a model that no licence names. The
clock's own record, and what the site itself found wrong, are repeated here so that nobody has to look for them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from licensing.document import format_time
from licensing.licence import Licence
from licensing.shown import shown
from licensing.usage import Usage

LONGEST_CALL: Final = timedelta(days=1)
"""A call counts where it ends. One that began under a licence's last minute may end this much later, or come late."""
AHEAD: Final = timedelta(hours=1)
"""A floor of time this far beyond the sealing itself was raised by a clock that ran wild."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something to look at: a stable code, and a sentence with the numbers. `seq` is None for the site as a whole."""

    site: str
    epoch: int
    seq: int | None
    code: str
    sentence: str


def doubts_about(usage: Usage, licences: Mapping[int, Licence]) -> Iterator[Doubt]:
    """What is odd in one file, given the licences issued to its site by serial."""
    admitted = [licences[each.licence_serial] for each in usage.admissions if each.licence_serial in licences]
    for code, sentence in (
        *_over_caps(usage, licences),
        *_out_of_date(usage, licences),
        *_other_models(usage, admitted),
        *_clock(usage),
        *(("site_says", f"{each.code}: {each.detail}") for each in usage.anomalies),
    ):
        yield Doubt(usage.site, usage.epoch, usage.seq, code, shown(sentence, 400))


def minutes_touched(usage: Usage) -> int:
    """How many calendar minutes a limiter may have counted in: the period's, and one begun before it."""
    return math.ceil((usage.period.end - usage.period.start).total_seconds() / 60) + 1


def _over_caps(usage: Usage, licences: Mapping[int, Licence]) -> Iterator[tuple[str, str]]:
    minutes = minutes_touched(usage)
    for each in usage.admissions:
        rpm = licences[each.licence_serial].caps.rpm if each.licence_serial in licences else None
        if rpm is not None and each.requests > rpm * minutes:
            yield (
                "over_rpm",
                f"{each.requests} requests under licence serial {each.licence_serial} in {minutes} minutes; its cap of "
                f"{rpm} a minute lets {rpm * minutes} through.",
            )
    caps = [licences[each.licence_serial].caps.tpm for each in usage.admissions if each.licence_serial in licences]
    stated = [tpm for tpm in caps if tpm is not None]
    tokens = sum(
        row.counts.prompt_tokens
        + row.counts.completion_tokens
        + row.counts.estimated_prompt_tokens
        + row.counts.estimated_completion_tokens
        for row in usage.rows
    )
    if stated and len(stated) == len(caps) and tokens > max(stated) * minutes:
        yield (
            "over_tpm",
            f"{tokens} tokens in {minutes} minutes; the cap of {max(stated)} a minute lets {max(stated) * minutes} "
            "through.",
        )


def _out_of_date(usage: Usage, licences: Mapping[int, Licence]) -> Iterator[tuple[str, str]]:
    for each in usage.admissions:
        licence = licences.get(each.licence_serial)
        if licence is None:
            continue
        tolerance = timedelta(seconds=licence.clock_tolerance_seconds)
        ends = licence.expires_at + timedelta(days=licence.grace_days) + tolerance
        if usage.period.start > ends + LONGEST_CALL or usage.period.end < licence.not_before - tolerance:
            yield (
                "licence_out_of_date",
                f"{each.requests} calls were admitted under licence serial {each.licence_serial}, which ran from "
                f"{format_time(licence.not_before)} to {format_time(ends)}.",
            )


def _other_models(usage: Usage, admitted: Collection[Licence]) -> Iterator[tuple[str, str]]:
    for model in sorted(usage.deltas):
        if admitted and usage.deltas[model].requests and not any(each.allows_model(model) for each in admitted):
            yield (
                "model_not_licensed",
                f"Model {shown(model)!r} is named by no licence under which calls were admitted.",
            )


def _clock(usage: Usage) -> Iterator[tuple[str, str]]:
    for step in usage.clock.steps:
        yield "clock_stepped", f"The site's clock moved by {step.seconds} seconds at {format_time(step.at)}."
    if usage.issued_at < usage.period.end:
        yield (
            "sealed_early",
            f"It was sealed at {format_time(usage.issued_at)}, before its period ended at "
            f"{format_time(usage.period.end)}.",
        )
    if usage.clock.floor > max(usage.issued_at, usage.period.end) + AHEAD:
        yield (
            "clock_ahead",
            f"The site believes no time before {format_time(usage.clock.floor)}, and sealed at "
            f"{format_time(usage.issued_at)}.",
        )


def overdue(site: str, epoch: int, reported_until: datetime, licence: Licence | None, now: datetime) -> Doubt | None:
    """Whether the site's report is late, by the duty that its latest licence states."""
    if licence is None or licence.usage is None:
        return None
    due = reported_until + timedelta(days=licence.usage.report_every_days)
    if now <= due:
        return None
    return Doubt(
        site,
        epoch,
        None,
        "overdue",
        f"Usage is accepted until {format_time(reported_until)}; the licence asks for a report every "
        f"{licence.usage.report_every_days} days, so it is {(now - due).days} days late.",
    )
