-- The terms (labels' policy, contract) that a file was sealed under; when its exchanges were dropped.
ALTER TABLE usage_files ADD COLUMN terms TEXT;
ALTER TABLE usage_files ADD COLUMN pruned_at TEXT;

-- The file that a step was told in. Those of days sealed before were told by their date.
ALTER TABLE clock_steps ADD COLUMN seq INTEGER;
UPDATE clock_steps SET seq = 0 WHERE at < (SELECT MAX(period_end) FROM usage_files);

-- Where this state was restored from a backup: how far the epoch before had come in it.
CREATE TABLE predecessor (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    digest TEXT,
    period_end TEXT NOT NULL,
    reported_until TEXT NOT NULL,
    restored_at TEXT NOT NULL
);

-- Sealed files of earlier epochs, for exporting those that the vendor may not have.
CREATE TABLE former_files (
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    bytes BLOB NOT NULL,
    acknowledged INTEGER NOT NULL,
    PRIMARY KEY (epoch, seq)
);
