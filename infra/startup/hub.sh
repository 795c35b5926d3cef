#!/bin/bash
# Sets up a machine of the hub, or a worker, at every boot.
# shellcheck source=common.sh disable=SC1091
[ -n "${STEP:-}" ] || . "$(dirname "$0")/common.sh"

ROLE="$(field role <"$WORK/facts")" # hub or worker

account aegle
once aegle install_aegle

STEP="$ROLE"
if [ "$ROLE" = hub ]; then
  for secret in operator-token page-key; do
    ensure_secret "$secret" >/dev/null
  done
fi
metadata instance/attributes/aegle-service >"$ROOT/etc/systemd/system/aegle-$ROLE.service"
install -d -o aegle -g aegle -m 0750 "$ROOT/var/lib/aegle/home"
systemctl daemon-reload
systemctl enable --quiet "aegle-$ROLE"
systemctl restart "aegle-$ROLE"
say ok "$(field software.aegle.version <"$WORK/facts")"
STEP="ready"
say ok "$ROLE"
