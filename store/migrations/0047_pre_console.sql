-- Open pages are told what changed at the moment it is committed; and what they ask by incident has an index.

CREATE FUNCTION lifeline.tell_pages() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('lifeline_console', TG_ARGV[0]);  -- the same said twice in a transaction is told once
    RETURN NULL;
END
$$;
CREATE TRIGGER tell_pages AFTER INSERT OR UPDATE ON lifeline.incidents
    FOR EACH STATEMENT EXECUTE FUNCTION lifeline.tell_pages('incidents');
CREATE TRIGGER tell_pages AFTER INSERT ON lifeline.incident_events
    FOR EACH STATEMENT EXECUTE FUNCTION lifeline.tell_pages('incidents');
CREATE TRIGGER tell_pages AFTER INSERT OR UPDATE ON lifeline.alarms
    FOR EACH STATEMENT EXECUTE FUNCTION lifeline.tell_pages('incidents');
CREATE TRIGGER tell_pages AFTER INSERT OR UPDATE ON lifeline.notices
    FOR EACH STATEMENT EXECUTE FUNCTION lifeline.tell_pages('notices');
CREATE TRIGGER tell_pages AFTER INSERT OR UPDATE ON lifeline.shelves
    FOR EACH STATEMENT EXECUTE FUNCTION lifeline.tell_pages('holds');
CREATE TRIGGER tell_pages AFTER INSERT ON lifeline.hold_events
    FOR EACH STATEMENT EXECUTE FUNCTION lifeline.tell_pages('holds');

CREATE INDEX IF NOT EXISTS alarms_incident ON lifeline.alarms (incident);
CREATE INDEX IF NOT EXISTS incidents_open ON lifeline.incidents (level) WHERE closed_at IS NULL;
CREATE INDEX IF NOT EXISTS incidents_opened_at ON lifeline.incidents (opened_at);
