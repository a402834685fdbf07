// The shell that starts a command beside a task: first as root on the machine with an environment of edgectl's alone,
// then, when all else is given up, with the task's.

/**
 * `sh beside CONTROL_DIR WORK_DIR UID:GID ID ENV COMMAND ARGS...`, as a session of its own or, by `script`, on a terminal of
 * its own, which it names in its first line. UID:GID is who the streams belong to, "" = they stay the agent's. ENV is the file with the environment, the task's or one
 * of this command's own, which is gone once it is open. The namespaces entered are those of edgectl's own process in the sandbox;
 * they are opened before that process is known to be the right one, so that its number cannot be another's by then.
 * What the agent gives as streams are sockets, which nobody can open again by name, as scripts do with /dev/stderr: the
 * command has pipes. The input's has no name either, since one with a name would make the second opener wait for a writer.
 * A shell waits outside of the pid namespace, since what leads a session from there would be no leader inside.
 */
export const BESIDE_SCRIPT = `# Runs one command beside a task. Written by edgectl; changes are overwritten.
c=$1 w=$2 o=$3 n=$4 e=$5
shift 5
go() {
for g in $EDGECTL_CGROUPS; do echo 0 >"$g/cgroup.procs" || exit 125; done
if [ -n "$EDGECTL_OOM_SCORE_ADJ" ]; then echo "$EDGECTL_OOM_SCORE_ADJ" >/proc/self/oom_score_adj || exit 125; fi
exec 3<"$c/$e" || exit 125
if [ "$e" != env ]; then rm -f "$c/$e"; fi
run='cd "$1" || exit 126; shift; . /proc/self/fd/3 && exec 3<&- && exec "$@"'
if [ -z "$EDGECTL_INIT" ]; then exec $EDGECTL_SETPRIV -c "$run" sh "$w" "$@"; fi
p=\${EDGECTL_INIT% *}
exec 4<"/proc/$p/ns/mnt" 5<"/proc/$p/ns/uts" 6<"/proc/$p/ns/ipc" 7<"/proc/$p/ns/pid" || exit 125
read -r l <"/proc/$p/stat"
l=\${l##*) }
started() { shift 19; t=$1; }
started $l
[ "$t" = "\${EDGECTL_INIT#* }" ] || { echo "the task has ended" >&2; exit 125; }
s=setsid
if [ -n "$EDGECTL_TERMINAL" ]; then s="setsid -c"; fi
exec $EDGECTL_PRLIMIT $EDGECTL_NSENTER --no-fork --pid=/proc/self/fd/7 sh -c '
s=$1 run=$2
shift 2
$s $EDGECTL_NSENTER --mount=/proc/self/fd/4 --uts=/proc/self/fd/5 --ipc=/proc/self/fd/6 $EDGECTL_SETPRIV -c "exec 4<&- 5<&- 6<&- 7<&-; $run" sh "$@"
exit $?
' sh "$s" "$run" "$w" "$@"
}
if [ -n "$EDGECTL_TERMINAL" ]; then
  t=$(readlink /proc/self/fd/0)
  if [ -n "$o" ]; then chown "$o" "$t"; fi
  stty sane $EDGECTL_TERMINAL
  echo "edgectl-terminal $t"
  go "$@"
fi
exec 8<&0
if mkfifo -m 600 "$c/$n.out" "$c/$n.err"; then
  ( cat "$c/$n.out" 8<&- & cat "$c/$n.err" >&2 8<&- & )
  exec >"$c/$n.out" 2>"$c/$n.err"
  if [ -n "$o" ]; then chown "$o" "$c/$n.out" "$c/$n.err"; fi
  rm -f "$c/$n.out" "$c/$n.err"
fi
( cat <&8 8<&- 2>/dev/null & ) | {
  exec 8<&-
  if [ -n "$o" ]; then chown "$o" /proc/self/fd/0; fi
  go "$@"
}
exit $?
`;
