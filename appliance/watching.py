"""Watching over keys, in the process that keeps the books: takes in what each key was used for, judges it, and pauses a
key that is used as a leaked one would be, where its team's rules say so.

Nothing is asked of the request path. The sources of facts are the journal's entries and the refusals that workers hand
over; what is usual for a key is kept in the state file every few seconds and at the end. (A process that is killed
loses those seconds of habit, and no record.)
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from appliance.access import kept_histories as kept
from appliance.access.anomaly.history import Happened, History, accept, learn
from appliance.access.anomaly.judge import Judgement, Rules, is_news, judge
from appliance.access.authorise import host_principal
from appliance.access.kept_histories import Finding
from appliance.access.keys import ApiKey, key_by_id, pause_key
from appliance.errors import KeyRefused
from appliance.ledger.entry import Entry, Outcome
from appliance.state.database import DatabaseFault, transaction
from appliance.state.outgoing import enqueue_once
from appliance.state.refused import Refused, fetch
from appliance.state.site import Site

log = logging.getLogger("ao.serve")

WATCH = "anomaly watch"
"""What the audit trail calls it."""

KEEP_SECONDS = 5.0
AT_HAND = 4096
"""Histories held in memory; others are read when their key is used."""

_REASON_LIMIT = 200


class Watch:
    """One for the site. `took` is told of entries, `look` does the rest."""

    def __init__(self, site: Site) -> None:
        self._site = replace(site, by=host_principal(WATCH))
        self._fresh: list[Entry] = []
        self._generation = -1
        self._keys: dict[str, ApiKey | None] = {}
        self._rules: dict[tuple[str, str], Rules] = {}
        self._histories: dict[str, History] = {}
        self._changed: set[str] = set()
        self._around = kept.surroundings(site.database)
        self._around_changed = False
        self._kept_at = 0.0

    def took(self, entries: Sequence[Entry]) -> None:
        """Entries that are in the ledger now."""
        self._fresh += entries

    def look(self, now: datetime, monotonic: float) -> None:
        """Learns what is new, judges the keys that it is of, and keeps what was learnt."""
        refused = list(fetch(self._site.folder))
        if not (self._fresh or refused or self._changed):
            return
        self._follow()
        fresh, self._fresh = self._fresh, []
        seen: dict[str, int] = {}
        for entry in fresh:
            if entry.outcome != Outcome.INTERRUPTED:
                self._learn(entry.key, _of_entry(entry), seen)
        for each in refused:
            if each.code == "quota_exhausted":
                self._tell_of_quota(each, now)
            if each.code != "key_paused":
                self._learn(each.key, _of_refused(each), seen)
        for key_id, at in seen.items():
            self._judge(key_id, at, now)
        if monotonic - self._kept_at >= KEEP_SECONDS:
            self._kept_at = monotonic
            self.keep()

    def close(self, now: datetime) -> None:
        """The same once more, at the end. A database that cannot be written keeps nobody from ending."""
        try:
            self.look(now, float("inf"))
        except DatabaseFault:
            log.exception("what is usual for keys could not be kept")

    def keep(self) -> None:
        """Writes down what was learnt since the last time."""
        with transaction(self._site.database) as db:
            for account in self._changed:
                kept.put_history(db, account, self._histories[account])
            if self._around_changed:
                kept.put_surroundings(db, self._around)
        self._changed.clear()
        self._around_changed = False
        while len(self._histories) > AT_HAND:
            del self._histories[next(iter(self._histories))]

    def _follow(self) -> None:
        """Takes up what was changed by command: keys, rules, keys resumed."""
        generation = self._site.board.generation
        if generation != self._generation:
            self._generation = generation
            self._keys.clear()
            self._rules = kept.all_rules(self._site.database)

    def _key(self, key_id: str) -> ApiKey | None:
        if key_id not in self._keys:
            if len(self._keys) >= 4 * AT_HAND:
                self._keys.clear()
            key = self._keys[key_id] = key_by_id(self._site.database, key_id)
            if key is not None:
                accepted = kept.accepted_at(self._site.database, key.account)
                history = self._history(key.account)
                if accepted > history.accepted:
                    accept(history, accepted)
                    self._changed.add(key.account)
        return self._keys[key_id]

    def _history(self, account: str) -> History:
        history = self._histories.pop(account, None)
        if history is None:
            history = kept.history_of(self._site.database, account)
        # The last used stand last.
        self._histories[account] = history
        return history

    def _learn(self, key_id: str, happened: Happened, seen: dict[str, int]) -> None:
        key = self._key(key_id)
        if key is None:
            return
        learn(self._history(key.account), happened)
        self._changed.add(key.account)
        if not happened.refused:
            news = self._around.note("n", happened.source, key.account)
            self._around_changed |= self._around.note("m", happened.model, key.account) or news
        seen[key_id] = max(happened.at, seen.get(key_id, 0))

    def _judge(self, key_id: str, at: int, now: datetime) -> None:
        key = self._key(key_id)
        if key is None or not key.usable(now):
            return
        rules = kept.rules_of(self._rules, key.org, key.team)
        if rules.threshold is None:
            return
        history = self._history(key.account)
        judgement = judge(history, self._around, key.account, at)
        if judgement.score < rules.threshold or not (rules.mode == "enforce" or is_news(history, judgement, at)):
            return
        history.found, history.found_score = at, judgement.score
        self._changed.add(key.account)
        self._carry_out(key, rules, rules.threshold, judgement, at, now)

    def _carry_out(
        self, key: ApiKey, rules: Rules, threshold: int, judgement: Judgement, at: int, now: datetime
    ) -> None:
        site, words = self._site, judgement.words
        pauses = rules.mode == "enforce"
        told = f"{key.id} {key.name!r} of {key.org}/{key.team}: {words}"
        with transaction(site.database) as db:
            if pauses:
                try:
                    _, pauses = pause_key(db, key.id, reason(key, judgement, threshold), now)
                except KeyRefused:
                    # It has ended in the meantime.
                    return
            finding = Finding(
                *(at, key.id, key.name, key.org, key.team, judgement.score, threshold),
                *(rules.sensitivity, rules.mode),
                paused=pauses,
                signals=kept.signals_of(judgement),
            )
            kept.note_finding(db, finding)
            site.record(
                "key.auto_pause" if pauses else "key.suspect",
                told,
                now,
                detail={
                    "key": key.id,
                    "org": key.org,
                    "team": key.team,
                    "score": judgement.score,
                    "threshold": threshold,
                    "sensitivity": rules.sensitivity,
                    "signals": words,
                },
            )
        if pauses:
            site.board.raise_generation()
        log.warning("%s: %s (%d of %d)", "paused" if pauses else "suspected", told, judgement.score, threshold)

    def _tell_of_quota(self, refused: Refused, now: datetime) -> None:
        key = self._key(refused.key)
        if key is None:
            return
        tomorrow = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        data = {"key": key.id, "name": key.name, "org": key.org, "team": key.team}
        enqueue_once(self._site.database, f"quota {key.id}", tomorrow.timestamp(), "quota.exhausted", data, now)


def reason(key: ApiKey, judgement: Judgement, threshold: int) -> str:
    """Why a key is paused, and how it is resumed, in the room that there is."""
    end = f". If it is fine: ao keys resume {key.id}"
    start = f"anomaly {judgement.score} (limit {threshold}): {judgement.words}"
    room = _REASON_LIMIT - len(end)
    plain = "".join(each if each.isprintable() else "?" for each in start)
    return (plain if len(plain) <= room else plain[: room - 1] + "…") + end


def _of_entry(entry: Entry) -> Happened:
    tokens = entry.prompt_tokens + entry.completion_tokens
    tokens += entry.estimated_prompt_tokens + entry.estimated_completion_tokens
    return Happened(entry.started_at, entry.ended_at, entry.source[:64], entry.model[:128], tokens)


def _of_refused(each: Refused) -> Happened:
    return Happened(each.at, each.at, each.source, "", 0, refused=each.count, throttled=each.throttled)
