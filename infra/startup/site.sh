#!/bin/bash
# Sets up a Linux machine of a site at every boot. Thin: what it installs, it verifies; what it starts is a service.
# shellcheck source=common.sh disable=SC1091
[ -n "${STEP:-}" ] || . "$(dirname "$0")/common.sh"

SITE="$(field site <"$WORK/facts")"
JENKINS="$ROOT/var/lib/jenkins"

unpack_java() {
  mkdir -p "$ROOT/opt/java"
  tar --extract --gzip --file "$1" --directory "$ROOT/opt/java" --strip-components 1
  chmod -R go+rX "$ROOT/opt/java"
}
place_jenkins() { install -D -m 0644 "$1" "$ROOT/opt/jenkins/jenkins.war"; }

STEP="data-disk"
if [ -b /dev/disk/by-id/google-data ] && [ -z "$ROOT" ]; then
  blkid /dev/disk/by-id/google-data >/dev/null || mkfs.ext4 -q /dev/disk/by-id/google-data
  mkdir -p /var/lib/aegle
  mountpoint -q /var/lib/aegle || mount /dev/disk/by-id/google-data /var/lib/aegle
fi
say ok

account aegle
once java_linux unpack_java
once jenkins place_jenkins
once aegle install_aegle

STEP="jenkins"
mkdir -p "$JENKINS/init.groovy.d"
ensure_secret jenkins-administrator >"$JENKINS/password"
metadata instance/attributes/aegle-jenkins-init >"$JENKINS/init.groovy.d/aegle.groovy"
metadata instance/attributes/aegle-jobs | python3 -c 'import json, pathlib, sys
for name, text in json.load(sys.stdin).items():
    place = pathlib.Path(sys.argv[1]) / "jobs" / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "config.xml").write_text(text)' "$JENKINS"
cat >"$ROOT/etc/systemd/system/jenkins.service" <<UNIT
[Unit]
Description=Jenkins for site $SITE, on this machine only
After=network-online.target

# Its jobs are commands of the site, and need what the site's program needs: the same user, and nothing beyond it.
[Service]
User=aegle
Environment=JENKINS_HOME=/var/lib/jenkins AEGLE_JENKINS_PASSWORD_FILE=/var/lib/jenkins/password
Environment=AEGLE_HOME=/var/lib/aegle/home AEGLE_RELEASES=/opt/aegle PATH=/opt/aegle/current/bin:/usr/bin:/bin
ExecStart=/opt/java/bin/java -Djenkins.install.runSetupWizard=false -jar /opt/jenkins/jenkins.war --httpListenAddress=127.0.0.1 --httpPort=8090
Restart=always
RestartSec=10
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=/var/lib/jenkins /var/lib/aegle /opt/aegle
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
UNIT
chown -R aegle: "$JENKINS"
say ok

STEP="site"
for secret in grant-key page-key pseudonym-secret quarantine-key vault-key; do
  ensure_secret "$secret" >/dev/null
done
install -d -o aegle -g aegle -m 0750 "$ROOT/var/lib/aegle/incoming"
chown -R aegle: "$ROOT/opt/aegle" # so that the job can install the hub's next release beside this one
apply_config
echo "AEGLE_SITE=$SITE" >"$ROOT/etc/aegle/site.env"
metadata instance/attributes/aegle-service >"$ROOT/etc/systemd/system/aegle-site.service"
chmod go+r "$ROOT/etc/aegle/site.env"
systemctl daemon-reload
systemctl enable --quiet aegle-site jenkins
systemctl restart aegle-site jenkins
say ok "$(field software.aegle.version <"$WORK/facts")"
STEP="ready"
say ok "$SITE"
