-- Accounts of batches that could not be posted for what they hold (damaged, or written by a version that this one does not
-- know), put aside with the reason so that they hold up no others. The gateways' books miss them until somebody puts them
-- back or lets them go. No policy by district: nobody reads it through a view, and whose accounts they are may be unreadable.

CREATE TABLE lifeline.spoiled_entries (
    id bigint PRIMARY KEY,
    entry bytea NOT NULL,
    entered_at timestamptz NOT NULL,
    put_aside_at timestamptz NOT NULL DEFAULT now(),
    reason text NOT NULL
);
