-- Who may talk to the hub, and which model reads for whom.

-- Rows of these tables are evidence. Grants would not stop the tables' owner, who we are; a trigger does.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END;
$$;

CREATE TABLE site (
    name            text PRIMARY KEY,
    kind            text NOT NULL CHECK (kind IN ('hospital', 'lab')),
    archive_url     text NOT NULL,
    enrolled_at     timestamptz NOT NULL DEFAULT now(),
    -- the last hello
    hello           text,
    hello_at        timestamptz
);

-- The newest row of a site is its credential; the one before it holds for a while longer.
CREATE TABLE site_credential (
    credential_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site            text NOT NULL REFERENCES site,
    secret_sha256   bytea NOT NULL CHECK (length(secret_sha256) = 32),
    made_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX site_credential_newest ON site_credential (site, credential_id DESC);

CREATE TABLE bundle (
    digest          text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    name            text NOT NULL,
    version         text NOT NULL,
    threshold       double precision NOT NULL CHECK (threshold > 0 AND threshold < 1),
    registered_at   timestamptz NOT NULL DEFAULT now(),
    promoted_at     timestamptz NOT NULL DEFAULT clock_timestamp(),  -- the latest one reads for sites without a pin
    UNIQUE (name, version)
);

-- A change of policy is a new revision, so that a prediction can name the one it was decided under.
CREATE TABLE site_policy (
    site            text NOT NULL REFERENCES site,
    revision        integer NOT NULL CHECK (revision > 0),
    bundle_digest   text REFERENCES bundle,  -- NULL: the latest promoted
    threshold       double precision CHECK (threshold > 0 AND threshold < 1),  -- NULL: the bundle's own
    made_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (site, revision)
);

CREATE TABLE audit_head (
    head_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site            text NOT NULL REFERENCES site,
    chain           text NOT NULL,
    count           bigint NOT NULL CHECK (count >= 0),
    digest          text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    lodged_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (chain, count, digest)
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON site_credential
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON site_policy
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_head
    EXECUTE FUNCTION refuse_change();
