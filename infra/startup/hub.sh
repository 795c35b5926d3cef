#!/bin/bash
# Sets up a machine of the hub, a worker, or the one that migrates the hub's tables, at every boot.
# shellcheck source=common.sh disable=SC1091
[ -n "${STEP:-}" ] || . "$(dirname "$0")/common.sh"

ROLE="$(field role <"$WORK/facts")" # hub, worker or migration
TRIES="${AEGLE_TRIES:-30}"

# Hub and workers wait for this. The database may still be starting, so it is tried for some minutes.
migrate() {
  local try
  for ((try = 1; try <= TRIES; try++)); do
    if as_aegle "$ROOT/opt/aegle/current/bin/aegle" run migration --home "$ROOT/var/lib/aegle/home"; then
      return 0
    fi
    [ "$try" = "$TRIES" ] || sleep 20
  done
  return 1
}
serve() {
  metadata instance/attributes/aegle-service >"$ROOT/etc/systemd/system/aegle-$ROLE.service"
  systemctl daemon-reload
  systemctl enable --quiet "aegle-$ROLE"
  systemctl restart "aegle-$ROLE"
}

account aegle
once aegle install_aegle

STEP="$ROLE"
if [ "$ROLE" = hub ]; then
  for secret in operator-token page-key; do
    ensure_secret "$secret" >/dev/null
  done
fi
apply_config
if [ "$ROLE" = migration ]; then migrate; else serve; fi
say ok "$(field software.aegle.version <"$WORK/facts")"
STEP="ready"
say ok "$ROLE"
[ "$ROLE" != migration ] || systemctl poweroff # its work is done; another release is another machine
