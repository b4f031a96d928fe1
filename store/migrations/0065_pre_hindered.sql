-- Pieces of readings that refused to be packed or compressed: told, and passed over meanwhile, so that one of them hinders
-- neither the others nor the keeper.

CREATE TABLE lifeline.hindered (
    work        text NOT NULL,                     -- `indexes` or `columns`
    piece       text NOT NULL,
    failures    integer NOT NULL DEFAULT 1,
    failed_at   timestamptz NOT NULL DEFAULT now(),
    error       text NOT NULL,
    PRIMARY KEY (work, piece)
);

-- What hindered may be gone in a day, or when the server was started anew: after an update, or with more room.
CREATE FUNCTION lifeline.passed_over(work text, piece text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM lifeline.hindered h WHERE h.work = passed_over.work AND h.piece = passed_over.piece
                   AND h.failed_at > greatest(now() - interval '1 day', pg_postmaster_start_time()))
$$;
