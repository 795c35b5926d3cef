-- The truth about every request. The queue beside it only delivers.

CREATE TABLE request (
    request_id      uuid PRIMARY KEY,
    site            text NOT NULL REFERENCES site,
    key             text NOT NULL,
    study_uid       text NOT NULL,
    input_digest    text NOT NULL,
    instances       text NOT NULL,  -- JSON as the site sent it
    archive_url     text NOT NULL,
    -- held only while a worker may need it
    grant_token     text,
    grant_expires_at timestamptz,
    -- pinned at submission
    bundle_digest   text NOT NULL REFERENCES bundle,
    threshold       double precision NOT NULL,
    policy          text NOT NULL,
    state           text NOT NULL DEFAULT 'waiting'
                    CHECK (state IN ('waiting', 'running', 'predicted', 'rejected', 'failed', 'superseded')),
    attempt         integer NOT NULL DEFAULT 0,  -- counts claims and only grows: it is the fence against a late worker
    burnt           integer NOT NULL DEFAULT 0,  -- claims that ended badly by the study's or a peer's fault
    worker          text,
    heartbeat_at    timestamptz,
    delivered_at    timestamptz NOT NULL DEFAULT now(),  -- when it was last put into the queue
    submitted_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at     timestamptz,
    collected_at    timestamptz,
    UNIQUE (site, key),
    CHECK ((finished_at IS NULL) = (state IN ('waiting', 'running'))),
    CHECK (finished_at IS NULL OR grant_token IS NULL)
);
CREATE INDEX request_open ON request (site, study_uid) WHERE finished_at IS NULL;
CREATE INDEX request_state ON request (state, submitted_at DESC);
CREATE INDEX request_uncollected ON request (site, finished_at) WHERE finished_at IS NOT NULL AND collected_at IS NULL;

-- What came of a request, as the bytes the site will get. One row a request, written once.
CREATE TABLE outcome (
    request_id      uuid PRIMARY KEY REFERENCES request,
    kind            text NOT NULL CHECK (kind IN ('predicted', 'rejected', 'failed')),
    body            text NOT NULL,
    attempt         integer NOT NULL,
    settled_at      timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON outcome
    EXECUTE FUNCTION refuse_change();
