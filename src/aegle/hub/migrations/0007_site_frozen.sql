-- A site that was retired, or stopped on purpose: its credential no longer holds, and nobody waits for its hello.

ALTER TABLE site ADD COLUMN frozen boolean NOT NULL DEFAULT false;
