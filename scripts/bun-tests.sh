#!/bin/sh
# Runs a folder of tests of real processes: bun-tests.sh FOLDER. With EDGECTL_TEST_RETRY the files in which something failed have a
# second try, by a process of their own, and are named; the counts are those after it. Not `bun test --retry`: it takes
# asynchronous tests of node:test for passed at their second try.
set -u
folder=${1:?usage: bun-tests.sh FOLDER}
bun=node_modules/.bin/bun
if [ -z "${EDGECTL_TEST_RETRY:-}" ]; then exec "$bun" test --timeout 30000 --only-failures "$folder"; fi

log=$(mktemp)
trap 'rm -f "$log" "$log.again"' EXIT
trap 'cat "$log"; exit 1' INT TERM HUP
count() { sed -n "s/^ *\([0-9][0-9]*\) $1\$/\1/p" "$2" | tail -n 1 | grep . || echo 0; }

"$bun" test --timeout 30000 --only-failures "$folder" >"$log" 2>&1
status=$?
files=$(awk '/\.test\.ts:$/ { file = substr($0, 1, length($0) - 1) } /^\(fail\) / { print "./" file }' "$log" | sort -u)
if [ $status = 0 ] || [ -z "$files" ]; then
  cat "$log"
  exit $status
fi
grep -vE '^ *[0-9]+ (pass|fail|skip)$' "$log"
# shellcheck disable=SC2086 # names of our own files hold no blanks
"$bun" test --timeout 30000 --only-failures $files >"$log.again" 2>&1
status=$?
[ $status = 0 ] || grep -vE '^ *[0-9]+ (pass|fail|skip)$' "$log.again"
for file in $files; do echo "# second try: $file"; done
failed=$(count fail "$log.again")
printf ' %s pass\n %s fail\n' "$(($(count pass "$log") + $(count fail "$log") - failed))" "$failed"
skipped=$(count skip "$log")
[ "$skipped" = 0 ] || printf ' %s skip\n' "$skipped"
exit $status
