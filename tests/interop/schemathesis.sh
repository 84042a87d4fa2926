#!/usr/bin/env bash
# schemathesis (PyPI) plays a stranger's client: it reads the OpenAPI documents that a real node serves and sends what they
# allow, and what they do not. No answer may be a 5xx, every one must be what the document says, and the node must hold.
#
#   tests/interop/schemathesis.sh [SECONDS]     in all, 40 by default; HEFU names the program, else the newest build
#
# The tool is installed once, in a folder outside the tree. Everything about persons and cities is made up.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=4.32.5
seconds=${1:-40}
target=${CARGO_TARGET_DIR:-target}
if [ -z "${HEFU:-}" ]; then
  HEFU=$(ls -t "$target"/release/hefu "$target"/debug/hefu 2>/dev/null | head -n 1 || true)
fi
[ -x "$HEFU" ] || { echo "no program: cargo build, or set HEFU" >&2; exit 2; }
HEFU=$(realpath "$HEFU")

tools=$target/tools/schemathesis-$version
if [ ! -x "$tools/bin/schemathesis" ]; then
  echo "installing schemathesis $version from PyPI"
  python3 -m venv "$tools"
  "$tools/bin/pip" install -q --disable-pip-version-check "schemathesis==$version"
fi
schemathesis=$(realpath "$tools/bin/schemathesis")

folder=$(mktemp -d)
pids=()
finish() {
  [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait
  rm -rf "$folder"
}
trap finish EXIT
cd "$folder"
export LC_ALL=C.UTF-8
unset HEFU_DIR
hefu() { "$HEFU" "$@"; }

read -r km_port cd_port local_port < <(python3 - <<'PY'
import socket
sockets = [socket.socket() for _ in range(3)]
for one in sockets:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))
PY
)

# Two cities under an agreement, as in the README: what is behind a token is then more than refusals.
km_fingerprint=$(hefu --dir km init --url "https://localhost:$km_port" --city 530100 --name 昆明市教育体育局 --recovery-out km.pem 2>/dev/null)
cd_fingerprint=$(hefu --dir cd init --url "https://localhost:$cd_port" --city 510100 --name 成都市教育局 --recovery-out cd.pem 2>/dev/null)
sed -i "1i local = \"127.0.0.1:$local_port\"" km/hefu.toml
"$HEFU" --dir km serve > /dev/null 2> km.log & pids+=($!)
"$HEFU" --dir cd serve > /dev/null 2> cd.log & pids+=($!)
for _ in $(seq 300); do [ -S km/control.sock ] && [ -S cd/control.sock ] && break; sleep 0.1; done
hefu --dir km peer add "https://localhost:$cd_port" --fingerprint "$cd_fingerprint" --ca cd/tls.pem > /dev/null 2>&1
hefu --dir cd peer add "https://localhost:$km_port" --fingerprint "$km_fingerprint" --ca km/tls.pem > /dev/null 2>&1
hefu --dir km agreement propose --template --city "510100=localhost:$cd_port" > terms.json 2>/dev/null
agreement=$(hefu --dir km agreement propose terms.json 2>/dev/null)
{ hefu --dir cd pull; hefu --dir cd agreement sign "$agreement"; hefu --dir km pull; hefu --dir cd pull; } > /dev/null 2>&1
hefu --dir km agreement list | grep -q in-force
token=$(hefu --dir km token new --name stranger --days 1 --allow \
  publish,read-records,read-findings,read-tallies,ask-tallies,make-references,read-status 2>/dev/null)
local_url=http://127.0.0.1:$local_port

# One pupil in both cities: a record of each, and a finding.
draft() {
  local pupil entered
  pupil=$(echo '{"scheme":"passport:UTO","id":"L898902C3"}' | hefu --dir "$1" subject --agreement "$agreement" 2>/dev/null | sed 's/.*"subject":"\([^"]*\)".*/\1/')
  entered=$(date -d '-1 year' +%F)
  echo '{"record":{"type":["VerifiableCredential","StudentStatus"],"validFrom":"'"$entered"'T00:00:00+08:00","termsOfUse":[{"type":"Agreement","id":"'"$agreement"'","version":1}],"statedBy":{"scheme":"gb-t-2260","code":"'"$2"'","name":{"zh":"教育局"}},"credentialSubject":{"id":"'"$pupil"'","stage":"primary","status":"enrolled","event":"enter","effectiveOn":"'"$entered"'"}}}'
}
receipt=$(draft km 530102 | curl -fsS --noproxy '*' -H "Authorization: Bearer $token" -H 'Content-Type: application/json' --data-binary @- "$local_url/v1/records")
record=$(sed 's/.*"id":"\([^"]*\)".*/\1/' <<< "$receipt")
draft cd 510107 > cd.ndjson
hefu --dir cd publish cd.ndjson > /dev/null 2>&1
hefu --dir km pull > /dev/null 2>&1
hefu --dir km reconcile > /dev/null 2>&1
finding=$(hefu --dir km --json finding list | grep -o '"id":"[0-9a-f]\{64\}"' | head -n 1 | cut -d '"' -f 4)
[ -n "$finding" ]

# What a program would know after a while: ids that exist.
cat > known.toml <<EOF
[[operations]]
include-path-regex = "^/v1/agreements/"
parameters = { "path.id" = "$agreement" }
[[operations]]
include-path-regex = "^/v1/records/"
parameters = { "path.id" = "$record" }
[[operations]]
include-path-regex = "^/v1/findings/"
parameters = { "path.id" = "$finding" }
EOF
echo > plain.toml
# NDJSON is not known to the tool: what it makes up is sent as it is, or as JSON on one line.
cat > lines.py <<'PY'
import json
import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "surrogatepass")
PY
export SCHEMATHESIS_HOOKS=lines PYTHONPATH=$PWD

checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,allow_header_conformance
run() {
  local name=$1 config=$2 time=$3
  shift 3
  echo "-- $name, $time s"
  if ! no_proxy='*' "$schemathesis" --config-file "$config" --no-color run "$@" --checks "$checks" --max-time "$time" \
      --continue-on-failure --warnings off --suppress-health-check all --request-timeout 30 > run.log 2>&1; then
    cat run.log
    echo "-- the node said:"
    tail -n 20 km.log
    exit 1
  fi
  grep -E '(generated|passed|Test cases)' run.log || true
}
part=$((seconds / 4 > 1 ? seconds / 4 : 1))
with=(-H "Authorization: Bearer $token")
run "local systems, ids that exist" known.toml $((part * 2)) "$local_url/openapi.json" "${with[@]}"
run "local systems" plain.toml "$part" "$local_url/openapi.json" "${with[@]}"
run "public door" plain.toml "$part" "https://localhost:$km_port/openapi.json" --tls-verify "$PWD/km/tls.pem"

if grep -qF "$token" km.log; then
  echo "the token stands in the log" >&2
  exit 1
fi
# It has published nothing false, and lives.
curl -fsS --noproxy '*' -H "Authorization: Bearer $token" "$local_url/v1/status" > /dev/null
hefu --dir km fsck > /dev/null 2>&1
echo "schemathesis $version: no 5xx"
