-- Every statement of the hub, by name. `%(x)s` are bound values.

-- name: site
SELECT name, kind, archive_url, frozen FROM site WHERE name = %(site)s

-- name: hold_site
SELECT name, kind, archive_url FROM site WHERE name = %(site)s FOR NO KEY UPDATE

-- name: enroll_site
INSERT INTO site (name, kind, archive_url, account, frozen)
VALUES (%(site)s, %(kind)s, %(archive_url)s, %(account)s, %(frozen)s)
ON CONFLICT (name) DO UPDATE SET archive_url = excluded.archive_url, account = excluded.account, frozen = excluded.frozen
RETURNING kind

-- name: site_of_account
SELECT name, kind, frozen FROM site WHERE account = %(account)s

-- name: sites
SELECT s.name, s.kind, s.archive_url, s.account, s.frozen, s.enrolled_at, s.hello, s.hello_at, p.revision, p.bundle_digest, p.threshold,
       (SELECT max(made_at) FROM site_credential c WHERE c.site = s.name) AS credential_made_at
FROM site s
LEFT JOIN LATERAL (SELECT * FROM site_policy WHERE site = s.name ORDER BY revision DESC LIMIT 1) p ON true
ORDER BY s.name

-- name: save_hello
UPDATE site SET hello = %(hello)s, hello_at = now() WHERE name = %(site)s

-- name: add_credential
INSERT INTO site_credential (site, secret_sha256) VALUES (%(site)s, %(secret_sha256)s)

-- name: credentials
-- The newest, and its predecessor while the newest is younger than the grace.
WITH newest AS (
    SELECT secret_sha256, made_at, row_number() OVER (ORDER BY credential_id DESC) AS place
    FROM site_credential WHERE site = %(site)s ORDER BY credential_id DESC LIMIT 2
)
SELECT secret_sha256 FROM newest
WHERE place = 1
   OR (SELECT made_at FROM newest WHERE place = 1) > now() - make_interval(secs => %(grace_s)s)
ORDER BY place

-- name: policy
SELECT revision, bundle_digest, threshold FROM site_policy WHERE site = %(site)s ORDER BY revision DESC LIMIT 1

-- name: add_policy
INSERT INTO site_policy (site, revision, bundle_digest, threshold)
VALUES (%(site)s, %(revision)s, %(bundle_digest)s, %(threshold)s)

-- name: add_bundle
INSERT INTO bundle (digest, name, version, threshold)
VALUES (%(digest)s, %(name)s, %(version)s, %(threshold)s)
ON CONFLICT DO NOTHING

-- name: bundle
SELECT digest, name, version, threshold FROM bundle WHERE digest = %(digest)s

-- name: promote_bundle
UPDATE bundle SET promoted_at = clock_timestamp() WHERE digest = %(digest)s

-- name: bundles
SELECT digest, name, version, threshold, registered_at, promoted_at FROM bundle ORDER BY promoted_at DESC

-- name: bundle_in_force
SELECT digest, name, version, threshold FROM bundle
ORDER BY (digest = %(pinned)s) DESC NULLS LAST, promoted_at DESC LIMIT 1

-- name: lodge_head
INSERT INTO audit_head (site, chain, count, digest) VALUES (%(site)s, %(chain)s, %(count)s, %(digest)s)
ON CONFLICT DO NOTHING

-- name: contradicting_head
-- A head lodged before that this one cannot follow: longer, or as long with another digest.
SELECT count, digest FROM audit_head
WHERE site = %(site)s AND chain = %(chain)s
  AND (count > %(count)s OR (count = %(count)s AND digest <> %(digest)s))
ORDER BY count DESC LIMIT 1

-- name: heads
SELECT DISTINCT ON (site, chain) site, chain, count, digest, lodged_at FROM audit_head
ORDER BY site, chain, head_id DESC

-- name: request_by_key
SELECT request_id, study_uid, input_digest, instances, state FROM request WHERE site = %(site)s AND key = %(key)s

-- name: count_waiting
SELECT count(*) AS waiting FROM request WHERE site = %(site)s AND state = 'waiting'

-- name: supersede
UPDATE request SET state = 'superseded', finished_at = clock_timestamp(), grant_token = NULL
WHERE site = %(site)s AND study_uid = %(study_uid)s AND input_digest <> %(input_digest)s AND finished_at IS NULL

-- name: add_request
INSERT INTO request (request_id, site, key, study_uid, input_digest, instances, archive_url, grant_token,
                     grant_expires_at, bundle_digest, threshold, policy)
VALUES (%(request_id)s, %(site)s, %(key)s, %(study_uid)s, %(input_digest)s, %(instances)s, %(archive_url)s, %(grant)s,
        %(grant_expires_at)s, %(bundle_digest)s, %(threshold)s, %(policy)s)

-- name: renew_grant
UPDATE request SET grant_token = %(grant)s, grant_expires_at = %(grant_expires_at)s, archive_url = %(archive_url)s,
                   delivered_at = now()
WHERE request_id = %(request_id)s AND finished_at IS NULL
  AND (grant_token IS NULL OR grant_expires_at <= %(grant_expires_at)s)

-- name: claim
UPDATE request r SET state = 'running', attempt = attempt + 1, worker = %(worker)s, heartbeat_at = clock_timestamp()
FROM bundle b
WHERE r.request_id = %(request_id)s AND r.state = 'waiting' AND b.digest = r.bundle_digest
  AND r.grant_token IS NOT NULL AND r.grant_expires_at > clock_timestamp()
RETURNING r.*, b.name AS bundle_name, b.version AS bundle_version

-- name: beat
UPDATE request SET heartbeat_at = clock_timestamp()
WHERE request_id = %(request_id)s AND state = 'running' AND attempt = %(attempt)s

-- name: finish
UPDATE request SET state = %(state)s, finished_at = clock_timestamp(), grant_token = NULL
WHERE request_id = %(request_id)s AND site = %(site)s AND study_uid = %(study_uid)s
  AND input_digest = %(input_digest)s AND state = 'running' AND attempt = %(attempt)s
RETURNING bundle_digest, threshold, policy

-- name: give_up
UPDATE request SET state = 'failed', finished_at = clock_timestamp(), grant_token = NULL
WHERE request_id = %(request_id)s AND state IN ('waiting', 'running') AND attempt = %(attempt)s

-- name: add_outcome
INSERT INTO outcome (request_id, kind, body, attempt) VALUES (%(request_id)s, %(kind)s, %(body)s, %(attempt)s)

-- name: put_back
UPDATE request SET state = 'waiting', burnt = burnt + %(cost)s, worker = NULL, heartbeat_at = NULL,
                   grant_token = CASE WHEN %(drop_grant)s THEN NULL ELSE grant_token END, delivered_at = now()
WHERE request_id = %(request_id)s AND state = 'running' AND attempt = %(attempt)s
RETURNING burnt

-- name: stalled
SELECT request_id, site, study_uid, input_digest, attempt, burnt FROM request
WHERE state = 'running' AND heartbeat_at < clock_timestamp() - make_interval(secs => %(stalled_after_s)s)
ORDER BY heartbeat_at LIMIT 100 FOR UPDATE SKIP LOCKED

-- name: lost
SELECT r.request_id FROM request r
WHERE r.state = 'waiting' AND r.grant_token IS NOT NULL AND r.grant_expires_at > clock_timestamp()
  AND r.delivered_at < clock_timestamp() - make_interval(secs => %(lost_after_s)s)
  AND NOT EXISTS (SELECT 1 FROM procrastinate_jobs j
                  WHERE j.status = 'todo' AND j.queueing_lock = r.request_id::text)
ORDER BY r.submitted_at LIMIT 100 FOR UPDATE OF r SKIP LOCKED

-- name: mark_delivered
UPDATE request SET delivered_at = clock_timestamp() WHERE request_id = %(request_id)s

-- name: without_grant
SELECT request_id, site, study_uid, input_digest, attempt FROM request
WHERE state = 'waiting' AND grant_expires_at < clock_timestamp() - make_interval(secs => %(patience_s)s)
ORDER BY submitted_at LIMIT 100 FOR UPDATE SKIP LOCKED

-- name: bury_jobs
-- Jobs of workers that died in them. The request's own sweep has delivered the work again long before.
DELETE FROM procrastinate_jobs j
WHERE j.status = 'doing' AND j.queue_name = %(queue)s
  AND NOT EXISTS (SELECT 1 FROM procrastinate_workers w
                  WHERE w.id = j.worker_id
                    AND w.last_heartbeat > clock_timestamp() - make_interval(secs => %(dead_after_s)s))

-- name: uncollected
SELECT r.request_id, o.body FROM request r JOIN outcome o USING (request_id)
WHERE r.site = %(site)s AND r.finished_at IS NOT NULL AND r.collected_at IS NULL
ORDER BY r.finished_at, r.request_id LIMIT %(limit)s

-- name: collect
UPDATE request SET collected_at = COALESCE(collected_at, clock_timestamp())
WHERE request_id = %(request_id)s AND site = %(site)s AND finished_at IS NOT NULL

-- name: requests
SELECT r.request_id::text, r.site, r.study_uid, json_array_length(r.instances::json) AS images, r.state, r.attempt,
       r.worker, b.name AS bundle_name, b.version AS bundle_version, r.policy, r.threshold,
       r.submitted_at, r.finished_at, r.collected_at
FROM request r JOIN bundle b ON b.digest = r.bundle_digest
WHERE (%(state)s::text IS NULL OR r.state = %(state)s)
ORDER BY r.submitted_at DESC LIMIT %(limit)s

-- name: request
SELECT r.*, b.name AS bundle_name, b.version AS bundle_version
FROM request r JOIN bundle b ON b.digest = r.bundle_digest
WHERE r.request_id = %(request_id)s

-- name: counts_by_state
SELECT state, count(*) AS requests, min(submitted_at) AS oldest FROM request GROUP BY state ORDER BY state

-- name: person
SELECT name, role, password_hash, one_time FROM person WHERE name = %(name)s

-- name: people
SELECT name, role, password_hash, one_time FROM person ORDER BY name

-- name: put_person
INSERT INTO person (name, role, password_hash, one_time)
VALUES (%(name)s, %(role)s, %(password_hash)s, %(one_time)s)
ON CONFLICT (name) DO UPDATE SET role = excluded.role, password_hash = excluded.password_hash,
                                 one_time = excluded.one_time, changed_at = now()

-- name: remove_person
DELETE FROM person WHERE name = %(name)s

-- name: end_sessions
DELETE FROM person_session WHERE name = %(name)s

-- name: forget_ended_sessions
DELETE FROM person_session WHERE until < clock_timestamp()

-- name: open_session
INSERT INTO person_session (token_hash, name, until) VALUES (%(token_hash)s, %(name)s, %(until)s)

-- name: session_holder
SELECT name FROM person_session WHERE token_hash = %(token_hash)s AND until > clock_timestamp()

-- name: close_session
DELETE FROM person_session WHERE token_hash = %(token_hash)s

-- name: heads_after
SELECT head_id, site, chain, count, digest, lodged_at FROM audit_head
WHERE head_id > %(after)s ORDER BY head_id LIMIT %(limit)s

-- name: counts_by_site
SELECT site, state, count(*) AS requests,
       count(*) FILTER (WHERE finished_at > clock_timestamp() - make_interval(hours => 24)) AS lately,
       min(submitted_at) AS oldest,
       count(*) FILTER (WHERE finished_at IS NOT NULL AND collected_at IS NULL AND state <> 'superseded') AS uncollected
FROM request GROUP BY site, state ORDER BY site, state

-- name: workers_alive
SELECT count(*) AS workers FROM procrastinate_workers
WHERE last_heartbeat > clock_timestamp() - make_interval(secs => %(alive_s)s)

-- name: outcomes_due
SELECT o.request_id, o.body FROM warehouse_due d JOIN outcome o USING (request_id)
ORDER BY o.settled_at LIMIT %(most)s

-- name: outcome_fed
DELETE FROM warehouse_due WHERE request_id = ANY(%(request_ids)s)

-- name: queue_depth
SELECT count(*) AS requests FROM request WHERE state IN ('waiting', 'running')
