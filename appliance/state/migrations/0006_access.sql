-- Organisations and their teams, what each may use up, and what has been used.
CREATE TABLE orgs (name TEXT PRIMARY KEY, created_at TEXT NOT NULL);

CREATE TABLE teams (
    org TEXT NOT NULL REFERENCES orgs (name),
    name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (org, name)
);

-- A key's caps and counts are those of its account, which a rotated key shares with its successor.
ALTER TABLE api_keys ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN channel TEXT NOT NULL DEFAULT 'prod';
UPDATE api_keys SET account = id;

-- Those of an earlier release were no more than labels of keys.
INSERT INTO orgs (name, created_at) SELECT org, MIN(created_at) FROM api_keys GROUP BY org;
INSERT INTO teams (org, name, created_at) SELECT org, team, MIN(created_at) FROM api_keys GROUP BY org, team;

-- `tier` is org, team or key; `team` is empty for an org, `account` for both; an empty `channel` means all of them.
CREATE TABLE caps (
    tier TEXT NOT NULL,
    org TEXT NOT NULL,
    team TEXT NOT NULL,
    account TEXT NOT NULL,
    channel TEXT NOT NULL,
    caps TEXT NOT NULL,
    PRIMARY KEY (tier, org, team, account, channel)
);

-- Tokens and cost (millionths of the config's currency) of each day (days since 1970, UTC), as the ledger took them in.
CREATE TABLE spent (
    day INTEGER NOT NULL,
    org TEXT NOT NULL,
    team TEXT NOT NULL,
    key TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    PRIMARY KEY (day, org, team, key)
) WITHOUT ROWID;
