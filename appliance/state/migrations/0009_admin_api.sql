-- What may be used once by callers of the admin API: nonces of signed calls, confirmations. `at` is in seconds since
-- 1970; below a caller's floor everything has been forgotten, so nothing from there is believed to be new.
CREATE TABLE admin_used_once (
    kind   TEXT NOT NULL,
    caller TEXT NOT NULL,
    name   TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (kind, caller, name)
) WITHOUT ROWID;

CREATE TABLE admin_used_floor (
    kind   TEXT NOT NULL,
    caller TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (kind, caller)
) WITHOUT ROWID;
