-- People who may sign in at the hub, and their open sessions. Tokens are kept as SHA-256, passwords as argon2id.

CREATE TABLE person (
    name            text PRIMARY KEY,
    role            text NOT NULL CHECK (role IN ('administrator', 'operator', 'analyst')),
    password_hash   text NOT NULL,
    one_time        boolean NOT NULL,  -- given by somebody else: the person must choose another at once
    changed_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE person_session (
    token_hash      text PRIMARY KEY,
    name            text NOT NULL REFERENCES person ON DELETE CASCADE,
    until           timestamptz NOT NULL
);
CREATE INDEX person_session_name ON person_session (name);
CREATE INDEX person_session_until ON person_session (until);
