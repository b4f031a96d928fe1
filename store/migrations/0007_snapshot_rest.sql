-- A snapshot of a large city in pieces: written one after the other, none of them keeps the writer busy for long.
CREATE TABLE lifeline.snapshot_rest (
    follower    text NOT NULL REFERENCES lifeline.snapshots ON DELETE CASCADE,
    part        integer NOT NULL,                  -- they follow the snapshot's body in this order
    body        bytea NOT NULL,
    PRIMARY KEY (follower, part)
);
ALTER TABLE lifeline.snapshot_rest ALTER COLUMN body SET STORAGE EXTERNAL;  -- dense already
