-- Pieces of readings whose indexes were built anew after their last row, by name; see store/packing.py.

CREATE TABLE lifeline.packed (
    piece       text PRIMARY KEY,
    packed_at   timestamptz NOT NULL DEFAULT now()
);
