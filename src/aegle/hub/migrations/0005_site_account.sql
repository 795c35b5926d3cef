-- A site on Google Cloud signs in as its service account instead of with a secret of ours. One account is one site.

ALTER TABLE site ADD COLUMN account text UNIQUE;
