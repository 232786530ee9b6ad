-- The site itself, the documents it has accepted, its time floor, its API keys, and its ledger.
CREATE TABLE site (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    request_serial INTEGER NOT NULL DEFAULT 0,
    challenge TEXT NOT NULL
);

-- Every trust, licence, config and receipt ever accepted, as the bytes that came in.
CREATE TABLE documents (
    role TEXT NOT NULL,
    key_epoch INTEGER NOT NULL,
    serial INTEGER NOT NULL,
    digest TEXT NOT NULL,
    bytes BLOB NOT NULL,
    imported_at TEXT NOT NULL,
    PRIMARY KEY (role, key_epoch, serial)
);

-- Which of them is in force: one a slot. The floor of a role is its highest serial in its highest key epoch.
CREATE TABLE in_force (
    slot TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    key_epoch INTEGER NOT NULL,
    serial INTEGER NOT NULL,
    digest TEXT NOT NULL,
    FOREIGN KEY (role, key_epoch, serial) REFERENCES documents (role, key_epoch, serial)
);

CREATE TABLE time_floor (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    at TEXT NOT NULL,
    source TEXT NOT NULL,
    boot_id TEXT NOT NULL DEFAULT ''
);

CREATE TABLE clock_steps (at TEXT NOT NULL, seconds INTEGER NOT NULL);

CREATE TABLE runs (id INTEGER PRIMARY KEY, started TEXT NOT NULL, stopped TEXT);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    prefix TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    org TEXT NOT NULL,
    team TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT
);

-- How far each journal segment has been taken into the ledger.
CREATE TABLE segments (
    name TEXT PRIMARY KEY,
    taken INTEGER NOT NULL DEFAULT 0,
    finished INTEGER NOT NULL DEFAULT 0
);

-- One row an exchange. `seq` is the usage file that it was sealed into.
CREATE TABLE ledger (
    id TEXT PRIMARY KEY,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    org TEXT NOT NULL,
    team TEXT NOT NULL,
    key TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    provider TEXT NOT NULL,
    deployment TEXT NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    estimated_prompt_tokens INTEGER NOT NULL,
    estimated_completion_tokens INTEGER NOT NULL,
    latency_ms INTEGER NOT NULL,
    first_token_ms INTEGER,
    licence_serial INTEGER NOT NULL,
    config_serial INTEGER NOT NULL,
    seq INTEGER
) WITHOUT ROWID;
CREATE INDEX ledger_unsealed ON ledger (ended_at) WHERE seq IS NULL;
CREATE INDEX ledger_sealed ON ledger (seq) WHERE seq IS NOT NULL;

-- Sealed periods: committed bytes, so that exporting again gives the same file.
CREATE TABLE usage_files (
    seq INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    period_start TEXT NOT NULL,
    period_end TEXT NOT NULL,
    digest TEXT NOT NULL,
    bytes BLOB NOT NULL,
    sealed_at TEXT NOT NULL
);

-- The vendor's acknowledgements: `seq` and `digest` name the file accepted, `serial` the receipt.
CREATE TABLE receipts (
    key_epoch INTEGER NOT NULL,
    serial INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    digest TEXT NOT NULL,
    accepted_until TEXT NOT NULL,
    imported_at TEXT NOT NULL,
    PRIMARY KEY (key_epoch, serial)
);

-- What the site itself noticed; told in the next usage file.
CREATE TABLE anomalies (at TEXT NOT NULL, code TEXT NOT NULL, detail TEXT NOT NULL, seq INTEGER);
