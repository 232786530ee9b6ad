-- Who administers this site. `password` is an Argon2id hash that holds its parameters, `totp` is encrypted, `totp_step` is
-- the last time step whose code was accepted (seconds since 1970 / 30).
CREATE TABLE administrators (
    name TEXT PRIMARY KEY,
    created_at TEXT NOT NULL,
    password TEXT NOT NULL,
    password_at TEXT NOT NULL,
    totp BLOB NOT NULL,
    totp_at TEXT NOT NULL,
    totp_step INTEGER NOT NULL DEFAULT 0,
    disabled_at TEXT,
    signed_in_at TEXT
);

-- Keyed hashes. A code that was used is gone.
CREATE TABLE recovery_codes (
    administrator TEXT NOT NULL REFERENCES administrators (name) ON DELETE CASCADE,
    hash BLOB NOT NULL,
    PRIMARY KEY (administrator, hash)
);

-- An empty `org` means the whole site, an empty `team` the whole org.
CREATE TABLE administrator_roles (
    administrator TEXT NOT NULL REFERENCES administrators (name) ON DELETE CASCADE,
    role TEXT NOT NULL,
    org TEXT NOT NULL,
    team TEXT NOT NULL,
    granted_at TEXT NOT NULL,
    granted_by TEXT NOT NULL,
    PRIMARY KEY (administrator, role, org, team)
);

-- This site's own roles; the built-in ones are in the release. From where a role may be used, of either kind.
CREATE TABLE roles (name TEXT PRIMARY KEY, title TEXT NOT NULL, permissions TEXT NOT NULL);
CREATE TABLE role_networks (role TEXT PRIMARY KEY, networks TEXT NOT NULL);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    administrator TEXT NOT NULL REFERENCES administrators (name) ON DELETE CASCADE,
    started_at TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    source TEXT NOT NULL
);

-- `created_by` is the administrator whose own rights bound the token, or empty where it was made at the host.
CREATE TABLE service_tokens (
    id TEXT PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    permissions TEXT NOT NULL,
    org TEXT NOT NULL,
    team TEXT NOT NULL,
    networks TEXT,
    signed INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT,
    used_at TEXT,
    used_from TEXT
);

-- Refused sign-ins in a row, by what they are counted for. There are no more rows than there are buckets.
CREATE TABLE sign_in_failures (bucket TEXT PRIMARY KEY, failures INTEGER NOT NULL, last_at TEXT NOT NULL);

-- From where an administrator has signed in before.
CREATE TABLE known_sources (
    administrator TEXT NOT NULL REFERENCES administrators (name) ON DELETE CASCADE,
    source TEXT NOT NULL,
    last_at TEXT NOT NULL,
    PRIMARY KEY (administrator, source)
);

-- How many refused sign-ins of an hour stand in the audit trail one by one, and how many are only counted yet.
CREATE TABLE refused_sign_ins (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    hour TEXT NOT NULL,
    written INTEGER NOT NULL,
    unwritten INTEGER NOT NULL,
    first_at TEXT
);
