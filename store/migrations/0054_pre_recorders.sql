-- What each recorder of a city has heard: of several that share it, silence counts from the one that lags most.
-- No policy by district: it is about no district, and only writers see it.
CREATE TABLE lifeline.recorders (
    client      text PRIMARY KEY,                  -- its name at the broker, and which broker
    beat_at     timestamptz NOT NULL,              -- wall clock
    heard_until timestamptz,                       -- city time: everything the broker had for it before this is committed
    listening_us bigint NOT NULL                   -- city time at which it last subscribed; 0: it has not
);
