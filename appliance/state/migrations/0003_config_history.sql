-- Which config was put in force when, by import or by going back; `documents` holds the configs themselves, encrypted.
CREATE TABLE config_history (
    number INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    how TEXT NOT NULL,
    who TEXT NOT NULL,
    role TEXT NOT NULL,
    key_epoch INTEGER NOT NULL,
    serial INTEGER NOT NULL,
    digest TEXT NOT NULL
);
