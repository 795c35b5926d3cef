# shellcheck shell=bash
# What site.sh and hub.sh share; Terraform puts it in front of them. Runs at every boot, so each step looks before it acts:
# what was installed leaves a marker with its name and digest, and is not installed again.
set -euo pipefail
shopt -s inherit_errexit # or a failure inside $(...) would be passed over
umask 077

METADATA="${AEGLE_METADATA:-http://metadata.google.internal/computeMetadata/v1}" # reachable from the machine alone
STORAGE="${AEGLE_STORAGE:-https://storage.googleapis.com/storage/v1}"
SECRETS="${AEGLE_SECRETS:-https://secretmanager.googleapis.com/v1}"
LOGGING="${AEGLE_LOGGING:-https://logging.googleapis.com/v2/entries:write}"
ROOT="${AEGLE_ROOT:-}" # tests install below a folder of their own
MARKERS="$ROOT/var/lib/aegle/installed"
STEP="start"
WORK="$(mktemp -d)"

metadata() { curl -sSf -H 'Metadata-Flavor: Google' "$METADATA/$1"; }
token() { metadata instance/service-accounts/default/token | field access_token; }
field() { python3 -c 'import functools, json, sys
found = functools.reduce(lambda value, name: value[name], sys.argv[1].split("."), json.load(sys.stdin))
print(found if isinstance(found, str) else json.dumps(found))' "$1"; }

# One JSON line a step, on the console and in Cloud Logging. Values of secrets never come here.
say() {
  local line
  line="$(python3 -c 'import json, sys
print(json.dumps(dict(zip(("aegle_step", "outcome", "detail"), sys.argv[1:]))))' "$STEP" "$1" "${2:-}")"
  echo "$line"
  curl -sSf -o "$WORK/logged" -H "Authorization: Bearer $(token)" -H 'Content-Type: application/json' "$LOGGING" \
    -d "{\"logName\": \"projects/$(metadata project/project-id)/logs/aegle\", \"resource\": {\"type\": \"global\"}, \"entries\": [{\"jsonPayload\": $line}]}" ||
    echo '{"aegle_step": "logging", "outcome": "failed"}'
}
finish() {
  local code=$?
  [ "$code" = 0 ] || say failed "exit status $code"
  rm -rf "$WORK"
}
trap finish EXIT

# Downloads an installer of the mirror and compares its digest; answers the file's path. Stops when it is another file.
fetch() {
  local name="$1" object digest file
  object="$(field "software.$name.object" <"$WORK/facts")"
  digest="$(field "software.$name.sha256" <"$WORK/facts")"
  file="$WORK/${object##*/}"
  curl -sSf -o "$file" -H "Authorization: Bearer $(token)" \
    "$STORAGE/b/$(field mirror <"$WORK/facts")/o/${object//\//%2F}?alt=media" || return 1
  echo "$digest  $file" | sha256sum --check --quiet --strict >&2 || return 1
  echo "$file"
}
# once NAME COMMAND...: runs a command with the fetched file, unless this very file was installed before.
once() {
  local name="$1" digest file
  STEP="install-$name"
  digest="$(field "software.$name.sha256" <"$WORK/facts")"
  if [ -e "$MARKERS/$name-$digest" ]; then
    say skipped "$digest"
    return
  fi
  file="$(fetch "$name")" || exit 1
  "${@:2}" "$file"
  mkdir -p "$MARKERS"
  touch "$MARKERS/$name-$digest"
  say ok "$digest"
}
# The release goes into a folder of its own version, and `current` points at it: the one before stays for going back.
install_aegle() {
  local version target
  version="$(field software.aegle.version <"$WORK/facts")"
  target="$ROOT/opt/aegle/$version"
  rm -rf "$target.new"
  python3 -m zipfile -e "$1" "$WORK/wheels"
  python3 -m venv --without-pip "$target.new"
  "$target.new/bin/python" "$(echo "$WORK"/wheels/pip-*.whl)/pip" install --quiet --no-index --find-links "$WORK/wheels" "aegle[gcp]"
  rm -rf "$target"
  mv "$target.new" "$target"
  sed -i "s|$target.new|$target|g" "$target"/bin/aegle "$target"/pyvenv.cfg
  field software.aegle.sha256 <"$WORK/facts" >"$target/.digest" # whole; aegle site update knows it by this
  chmod -R go+rX "$ROOT/opt/aegle"
  ln -sfn "$version" "$ROOT/opt/aegle/current"
}
# The first value of a secret is made on the machine that needs it, 32 random bytes; Terraform made it empty.
ensure_secret() {
  local name="$1" place value
  place="$SECRETS/$(field secrets <"$WORK/facts")$name"
  if ! curl -sSf -o "$WORK/secret" -H "Authorization: Bearer $(token)" "$place/versions/latest:access" 2>"$WORK/curl"; then
    grep -q ' 404' "$WORK/curl" || return 1 # not "no value yet": asking again later is right, a second value is not
    value="$(python3 -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())')"
    curl -sSf -o "$WORK/added" -H "Authorization: Bearer $(token)" -H 'Content-Type: application/json' \
      "$place:addVersion" -d "{\"payload\": {\"data\": \"$value\"}}"
    curl -sSf -o "$WORK/secret" -H "Authorization: Bearer $(token)" "$place/versions/latest:access"
  fi
  field payload.data <"$WORK/secret" # in base64
}
as_aegle() { runuser --user aegle -- "$@"; }
# The machine's own aegle.yaml, made real below its data folder.
apply_config() {
  mkdir -p "$ROOT/etc/aegle"
  field config <"$WORK/facts" >"$ROOT/etc/aegle/aegle.yaml"
  chmod -R go+rX "$ROOT/etc/aegle"
  install -d -o aegle -g aegle -m 0750 "$ROOT/var/lib/aegle/home"
  as_aegle "$ROOT/opt/aegle/current/bin/aegle" apply --config "$ROOT/etc/aegle/aegle.yaml" --home "$ROOT/var/lib/aegle/home"
}
account() { id -u "$1" >/dev/null 2>&1 || useradd --system --home-dir "/var/lib/$1" --shell /usr/sbin/nologin "$1"; }

metadata instance/attributes/aegle-facts >"$WORK/facts"
