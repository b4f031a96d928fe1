-- What is kept already, by domain. In a transaction of its own: a keeper that still computes as before is waited for, and
-- the next one, which groups what it computes, waits for this; nobody else writes there, and readers go on.

LOCK TABLE lifeline.rollup_1h, lifeline.rollup_1d IN SHARE MODE;
SELECT lifeline.group_buckets(60, '-infinity', 'infinity'), lifeline.group_buckets(1440, '-infinity', 'infinity');
