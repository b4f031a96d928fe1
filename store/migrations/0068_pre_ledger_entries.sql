-- What batches say of their gateways, one row a batch, until it is posted to the ledger with what others say. To write
-- every gateway's sums with every batch cost a fifth of recording, and made recorders that share gateways wait for each
-- other to the commit.

CREATE TABLE lifeline.ledger_entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry bytea NOT NULL,
    entered_at timestamptz NOT NULL DEFAULT now()
);
-- Always nearly empty and always changing: its dead rows are to go before they are many, and their room stays, for to give
-- it back takes a lock that every batch would wait for.
ALTER TABLE lifeline.ledger_entries SET (
    autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_insert_threshold = -1,
    autovacuum_analyze_threshold = 1000000, vacuum_truncate = false);
