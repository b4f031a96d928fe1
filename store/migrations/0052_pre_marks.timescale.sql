-- Rows go through the hypertable here, and its trigger marks what they touch: there is nothing to change.
SELECT;
