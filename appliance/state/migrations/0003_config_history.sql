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

-- A site of an earlier release begins with the config that it has in force.
INSERT INTO config_history (at, how, who, role, key_epoch, serial, digest)
SELECT imported_at, 'import', 'an earlier release', role, key_epoch, serial, documents.digest
FROM in_force JOIN documents USING (role, key_epoch, serial) WHERE slot = 'config';
