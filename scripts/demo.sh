#!/bin/sh
# A tour of edgectl on this machine in under a minute: an agent with temporary data, a service with its log, a periodic
# job. Ends with 0 only when everything happened, and leaves nothing running.
set -eu
cd "$(dirname "$0")/.."
seconds_max=60

[ -x dist/edgectl ] || make --no-print-directory build
PATH=$PWD/dist:$PATH
work=$(mktemp -d)
agent=

finish() {
  status=$?
  trap - EXIT INT TERM HUP
  if [ -n "$agent" ] && kill -0 "$agent" 2>/dev/null; then
    # The agent of a failed tour still runs its tasks: they end before it does.
    edgectl stop --purge sensor >/dev/null 2>&1 || true
    edgectl stop --purge tick >/dev/null 2>&1 || true
    kill "$agent" 2>/dev/null || true
    left=50
    while [ $left -gt 0 ] && kill -0 "$agent" 2>/dev/null; do
      left=$((left - 1))
      sleep 0.1
    done
    kill -9 "$agent" 2>/dev/null || true
    wait "$agent" 2>/dev/null || true
  fi
  if [ $status != 0 ]; then
    printf 'demo: failed; the agent said:\n' >&2
    tail -n 30 "$work/agent.log" >&2 2>/dev/null || true
  fi
  rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

fail() {
  echo "demo: $*" >&2
  exit 1
}

say() {
  printf '\n# %s\n' "$*"
}

# Shows a command of edgectl as it would be typed, and runs it.
show() {
  printf '$ edgectl %s\n' "$*"
  edgectl "$@"
}

# Asks once every half second until the command succeeds.
wait_for() {
  what=$1
  shift
  left=40
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "$what did not happen within 20 s"
    kill -0 "$agent" 2>/dev/null || fail "the agent ended while waiting for: $what"
    sleep 0.5
  done
}

has_fired_twice() {
  [ "$(edgectl status tick | grep -o 'tick/periodic-[0-9]*' | sort -u | wc -l)" -ge 2 ]
}

node_is_ready() {
  edgectl node status | grep -q ready
}

began=$(date +%s)
port=$(node_modules/.bin/bun -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
export EDGECTL_ADDR="http://127.0.0.1:$port"

say "one process is server and node; --dev keeps nothing"
printf '$ edgectl agent --dev --port %s &\n' "$port"
edgectl agent --dev --port "$port" >"$work/agent.log" 2>&1 &
agent=$!
wait_for "the node being ready" node_is_ready
show node status

say "a service: it reads this machine's own sensors"
show run jobs/sensor.toml
printf '$ edgectl logs -f sensor | head -n 3\n'
timeout 20 edgectl logs -f sensor 2>"$work/logs.err" | head -n 3 >"$work/sensor.log" || true
cat "$work/sensor.log"
[ "$(wc -l <"$work/sensor.log")" -eq 3 ] || fail "the log of sensor has not three lines: $(cat "$work/logs.err")"
show status
show status sensor
alloc=$(edgectl job allocs --json sensor | tr ',{' '\n\n' | sed -n 's/^ *"ID": *"\([0-9a-f-]*\)".*/\1/p' | head -n 1)
[ -n "$alloc" ] || fail "sensor has no allocation"
show alloc status "$alloc"

say "a periodic job: it fires every two seconds"
show run jobs/periodic.toml
wait_for "two fires of tick" has_fired_twice
show status tick

say "the end"
show stop --purge tick
show stop --purge sensor
took=$(($(date +%s) - began))
[ $took -le $seconds_max ] || fail "it took $took s, more than $seconds_max"
printf '\n# done in %s s\n' "$took"
