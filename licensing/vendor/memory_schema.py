"""The tables of vendor.db, as numbered migrations. A migration that was released is never edited; a new one follows it.

What was accepted, issued or kept as evidence is history: triggers refuse to change or delete it, whoever asks.
"""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x414F5644
"""Marks the file as a vendor's memory (`AOVD`), so that no other database is taken for one."""

_FIRST: Final = (
    """CREATE TABLE sites (
        site TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        current INTEGER REFERENCES enrolments (number) DEFERRABLE INITIALLY DEFERRED
    ) STRICT""",
    # One row for each key that a site has presented in an epoch.
    """CREATE TABLE enrolments (
        number INTEGER PRIMARY KEY,
        site TEXT NOT NULL REFERENCES sites (site),
        epoch INTEGER NOT NULL,
        keyid TEXT NOT NULL,
        algorithm TEXT NOT NULL,
        public BLOB NOT NULL,
        sealing_key BLOB NOT NULL,
        product_version TEXT NOT NULL,
        request BLOB NOT NULL,
        enrolled_at TEXT NOT NULL,
        UNIQUE (site, epoch, keyid)
    ) STRICT""",
    "CREATE INDEX enrolments_by_key ON enrolments (keyid)",
    """CREATE TABLE licences (
        site TEXT NOT NULL REFERENCES sites (site),
        serial INTEGER NOT NULL,
        licence TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        terms TEXT NOT NULL,
        digest TEXT NOT NULL,
        document BLOB NOT NULL,
        issued_at TEXT NOT NULL,
        delivered INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (site, serial)
    ) STRICT""",
    "CREATE INDEX licences_by_id ON licences (licence)",
    """CREATE TABLE configs (
        site TEXT NOT NULL REFERENCES sites (site),
        serial INTEGER NOT NULL,
        source TEXT NOT NULL,
        digest TEXT NOT NULL,
        document BLOB NOT NULL,
        signed_at TEXT NOT NULL,
        delivered INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (site, serial)
    ) STRICT""",
    """CREATE TABLE usage_accepted (
        enrolment INTEGER NOT NULL REFERENCES enrolments (number),
        seq INTEGER NOT NULL,
        digest TEXT NOT NULL,
        period_start TEXT NOT NULL,
        period_end TEXT NOT NULL,
        document BLOB NOT NULL,
        accepted_at TEXT NOT NULL,
        PRIMARY KEY (enrolment, seq)
    ) STRICT""",
    # Only what a site's key really signed is kept here: nothing else would prove anything.
    """CREATE TABLE usage_evidence (
        site TEXT NOT NULL,
        digest TEXT NOT NULL,
        verdict TEXT NOT NULL,
        epoch INTEGER,
        seq INTEGER,
        evidence TEXT NOT NULL,
        document BLOB NOT NULL,
        seen_at TEXT NOT NULL,
        PRIMARY KEY (site, digest, verdict)
    ) STRICT""",
    """CREATE TABLE receipts (
        site TEXT NOT NULL REFERENCES sites (site),
        serial INTEGER NOT NULL,
        enrolment INTEGER NOT NULL REFERENCES enrolments (number),
        seq INTEGER NOT NULL,
        head TEXT NOT NULL,
        digest TEXT NOT NULL,
        document BLOB NOT NULL,
        issued_at TEXT NOT NULL,
        PRIMARY KEY (site, serial)
    ) STRICT""",
    *(
        f"""CREATE TRIGGER {table}_keeps_{what.split()[0].lower()} BEFORE {what} ON {table}
            BEGIN SELECT RAISE(ABORT, '{table} is history and is not changed'); END"""
        for table, changes in (
            ("enrolments", ("UPDATE", "DELETE")),
            ("licences", ("UPDATE OF site, serial, licence, epoch, terms, digest, document, issued_at", "DELETE")),
            ("configs", ("UPDATE OF site, serial, source, digest, document, signed_at", "DELETE")),
            ("usage_accepted", ("UPDATE", "DELETE")),
            ("usage_evidence", ("UPDATE", "DELETE")),
            ("receipts", ("UPDATE", "DELETE")),
        )
        for what in changes
    ),
)

_SECOND: Final = (
    # Every version of the trust from 1 to the newest, once there is a second.
    """CREATE TABLE trusts (
        version INTEGER PRIMARY KEY,
        digest TEXT NOT NULL,
        document BLOB NOT NULL,
        adopted_at TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE time_tokens (
        site TEXT NOT NULL REFERENCES sites (site),
        serial INTEGER NOT NULL,
        enrolment INTEGER NOT NULL REFERENCES enrolments (number),
        challenge TEXT NOT NULL,
        request TEXT NOT NULL,
        digest TEXT NOT NULL,
        document BLOB NOT NULL,
        issued_at TEXT NOT NULL,
        delivered INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (site, serial),
        UNIQUE (site, challenge)
    ) STRICT""",
    *(
        f"""CREATE TRIGGER {table}_keeps_{what.split()[0].lower()} BEFORE {what} ON {table}
            BEGIN SELECT RAISE(ABORT, '{table} is history and is not changed'); END"""
        for table, changes in (
            ("trusts", ("UPDATE", "DELETE")),
            (
                "time_tokens",
                ("UPDATE OF site, serial, enrolment, challenge, request, digest, document, issued_at", "DELETE"),
            ),
        )
        for what in changes
    ),
)

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_FIRST, _SECOND)
