#!/bin/sh
# Runs one part of the tests: step.sh NAME COMMAND...; prints its output, and notes its seconds and status
# in .cache/steps, from where .ci/run adds up all runners. A test folder that is still empty is named and passed.
set -u
name=$1
shift
folder=.cache/steps
mkdir -p "$folder"
log=$folder/$name.log

# `bun test FOLDER` fails on a folder without tests; while a part is being written that is worth a line, not a failure.
folders=0
tests=0
for argument in "$@"; do
  case $argument in
  ./test/*/)
    folders=1
    [ -n "$(find "$argument" -name '*.test.ts' 2>/dev/null | head -n 1)" ] && tests=1
    ;;
  esac
done
if [ $folders = 1 ] && [ $tests = 0 ]; then
  echo "== $name: skipped, there is no test yet"
  [ "${EDGECTL_TEST_REQUIRE:-}" != 1 ]
  exit
fi

printf '== %s\n' "$name"
began=$(date +%s)
# The status travels through a file, since a pipe has only that of `tee`.
{
  "$@" 2>&1
  echo $? >"$folder/$name.status"
} | tee "$log"
status=$(cat "$folder/$name.status")
seconds=$(($(date +%s) - began))
echo "$seconds" >"$folder/$name.seconds"
[ "$status" = 0 ] || printf '== %s failed with status %s after %s s\n' "$name" "$status" "$seconds"
exit "$status"
