-- What a key may be used for and from where, its pauses, and when it was last used (milliseconds since 1970, as taken
-- into the ledger). `digested`: the hash is of the SHA-256 that another gateway kept of a key, not of the key itself.
ALTER TABLE api_keys ADD COLUMN paused_at TEXT;
ALTER TABLE api_keys ADD COLUMN paused_because TEXT;
ALTER TABLE api_keys ADD COLUMN models TEXT;
ALTER TABLE api_keys ADD COLUMN networks TEXT;
ALTER TABLE api_keys ADD COLUMN last_used INTEGER;
ALTER TABLE api_keys ADD COLUMN successor TEXT;
ALTER TABLE api_keys ADD COLUMN digested INTEGER NOT NULL DEFAULT 0;
