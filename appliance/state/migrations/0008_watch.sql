-- Events that have been told of and wait to be given to the addresses that want them; `outgoing_mark` says how far the
-- audit trail, from which most events follow, has been read; without a row: to its end as it is found.
CREATE TABLE outgoing (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    event TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE TABLE outgoing_mark (only INTEGER PRIMARY KEY CHECK (only = 1), audit_seq INTEGER NOT NULL);

-- One event for one address (by its name in the config). Times in seconds since 1970; `dead_at`: given up, kept to be
-- seen and tried again by command.
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    address TEXT NOT NULL,
    id TEXT NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    made_at REAL NOT NULL,
    due_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    said TEXT,
    dead_at REAL,
    UNIQUE (address, id)
);
CREATE INDEX deliveries_by_address ON deliveries (address, dead_at, seq);

-- What once happened and is not to be told again: a budget used up in this day or month, a rung, a date.
CREATE TABLE told_once (name TEXT PRIMARY KEY, until REAL NOT NULL);

-- What is usual for a key (its account, which a rotated key shares with its successor), and until when an operator has
-- found it good; what is usual for the site.
CREATE TABLE key_histories (account TEXT PRIMARY KEY, history TEXT NOT NULL, accepted_at INTEGER NOT NULL DEFAULT 0);
CREATE TABLE site_history (only INTEGER PRIMARY KEY CHECK (only = 1), seen TEXT NOT NULL);

-- `team` is empty for a whole org, both for the whole site.
CREATE TABLE anomaly_rules (
    org TEXT NOT NULL,
    team TEXT NOT NULL,
    sensitivity TEXT NOT NULL,
    mode TEXT NOT NULL,
    PRIMARY KEY (org, team)
);
CREATE TABLE anomaly_findings (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    org TEXT NOT NULL,
    team TEXT NOT NULL,
    score INTEGER NOT NULL,
    threshold INTEGER NOT NULL,
    sensitivity TEXT NOT NULL,
    mode TEXT NOT NULL,
    paused INTEGER NOT NULL,
    signals TEXT NOT NULL
);
