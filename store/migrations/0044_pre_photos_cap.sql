-- Crews send photos with their reports; CAP messages are drafted for incidents and released by people; a form is said once.

-- A photo as it was made anew from what a crew sent: no metadata, never larger than the page shows.
CREATE TABLE lifeline.attachments (
    attachment  text NOT NULL CHECK (attachment ~ '^[0-9a-f]{64}$'),   -- sha256 of its bytes
    incident    text NOT NULL REFERENCES lifeline.incidents,
    person      text NOT NULL,
    at          timestamptz NOT NULL,
    command     text NOT NULL,                     -- the id of the report it came with
    media_type  text NOT NULL CHECK (media_type = 'image/jpeg'),
    width       integer NOT NULL,
    height      integer NOT NULL,
    bytes       bytea NOT NULL,
    PRIMARY KEY (incident, attachment)             -- the same photo sent twice is one
);
ALTER TABLE lifeline.attachments ALTER COLUMN bytes SET STORAGE EXTERNAL;  -- dense already
CREATE INDEX attachments_attachment ON lifeline.attachments (attachment);
ALTER TABLE lifeline.attachments ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.attachments USING (
    (SELECT lifeline.sees_all(current_user)) OR incident IN (SELECT incident FROM lifeline.incidents));

-- Forms that were sent: the same one again is the same command. No district: it says nothing of what the form was about.
CREATE TABLE lifeline.command_marks (
    mark        text PRIMARY KEY,
    seq         bigint NOT NULL                    -- the command's journal row
);

-- One draft for each change of an incident that the outside may have to hear of; at most one waits for a person.
CREATE TABLE lifeline.cap_messages (
    identifier  text PRIMARY KEY,                  -- deterministic: incident and change
    incident    text NOT NULL REFERENCES lifeline.incidents,
    change      text NOT NULL UNIQUE,              -- the incident event it was drafted for
    msg_type    text NOT NULL CHECK (msg_type IN ('Alert', 'Update', 'Cancel')),
    status      text NOT NULL CHECK (status IN ('Actual', 'Exercise', 'Test')),
    state       text NOT NULL CHECK (state IN ('draft', 'released', 'superseded', 'withdrawn')),
    level       smallint NOT NULL,
    made_at     timestamptz NOT NULL,
    released_at timestamptz,
    released_by text NOT NULL DEFAULT '',
    note        text NOT NULL DEFAULT '',          -- why it was released, or is needed no more
    refers_to   text NOT NULL DEFAULT '',          -- CAP's references: `sender,identifier,sent …`
    facts       jsonb NOT NULL,                    -- what the message is made from
    xml         text NOT NULL,                     -- as it was released; of a draft, as it would be
    changed_at  timestamptz NOT NULL               -- when the change happened: the order of an incident's messages
);
CREATE UNIQUE INDEX cap_messages_draft ON lifeline.cap_messages (incident) WHERE state = 'draft';
CREATE INDEX cap_messages_incident ON lifeline.cap_messages (incident, changed_at);
CREATE INDEX cap_messages_released ON lifeline.cap_messages (released_at DESC) WHERE state = 'released';
ALTER TABLE lifeline.cap_messages ENABLE ROW LEVEL SECURITY;
CREATE POLICY district ON lifeline.cap_messages USING (
    (SELECT lifeline.sees_all(current_user)) OR incident IN (SELECT incident FROM lifeline.incidents));

CREATE VIEW city.attachments AS
SELECT attachment, incident, person, at, command, media_type, width, height, octet_length(bytes) AS size
FROM lifeline.attachments;

CREATE VIEW city.cap AS
SELECT identifier, incident, change, msg_type, status, state, lifeline.level_word(level) AS level, made_at, released_at,
       released_by, note, refers_to, xml, changed_at
FROM lifeline.cap_messages;

-- Changes of incidents that were looked at for a message, whether they asked for one or not. No district: nothing but keys.
CREATE TABLE lifeline.cap_changes (
    change      text PRIMARY KEY,                  -- the incident event
    at          timestamptz NOT NULL
);
CREATE INDEX incident_events_changes ON lifeline.incident_events (time)
    WHERE kind IN ('level', 'close', 'false_alarm', 'reopened');
