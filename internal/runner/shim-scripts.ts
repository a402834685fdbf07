// The shim: a few lines of POSIX shell (dash, bash, busybox) that start a task, outlive the agent and
// write down how the task ended. Kept as files in the data directory, so that `ps` stays readable.

/**
 * `sh shim CONTROL_DIR WORK_DIR STDOUT STDERR COMMAND ARGS...`, started as a session of its own.
 * It ignores the terminal's signals but hands none on: the agent signals the task's session itself.
 * The task runs in the foreground, because a shell starts background jobs with SIGINT and SIGQUIT ignored.
 * A shim whose children live in a pid namespace can start nothing more once that has ended: it becomes, by
 * EDGECTL_LEAVE, a process outside of it again, and notes the end there.
 */
export const SHIM_SCRIPT = `# Starts one task and records how it ended. Written by edgectl; changes are overwritten.
c=$1
trap : INT TERM HUP QUIT
r='echo "$2" >"$1/status.new"; sync "$1/status.new" 2>/dev/null; mv "$1/status.new" "$1/status"'
\${EDGECTL_ENTER:-setsid} sh "$EDGECTL_TASK_SCRIPT" "$@"
s=$?
if [ -n "$EDGECTL_LEAVE" ]; then exec $EDGECTL_LEAVE sh -c "$r" sh "$c" "$s"; fi
set -- "$c" "$s"
eval "$r"
`;

/**
 * Runs inside the task's own session: enters the cgroups, claims the start by creating \`pid\` (which fails
 * when the agent gave the attempt up meanwhile), then becomes the task.
 */
export const TASK_SCRIPT = `# Becomes the task. Written by edgectl; changes are overwritten.
c=$1 w=$2 o=$3 e=$4
shift 4
for g in $EDGECTL_CGROUPS; do { echo 0 >"$g/cgroup.procs"; } 2>/dev/null; done
if [ -n "$EDGECTL_OOM_SCORE_ADJ" ]; then { echo "$EDGECTL_OOM_SCORE_ADJ" >/proc/self/oom_score_adj; } 2>/dev/null; fi
read -r b </proc/sys/kernel/random/boot_id
read -r l </proc/$$/stat
l=\${l##*) }
started() { shift 19; t=$1; }
started $l
set -C
{ echo "$$ $t $b" >"$c/pid"; } 2>/dev/null || exit 125
set +C
unset EDGECTL_CGROUPS EDGECTL_TASK_SCRIPT EDGECTL_OOM_SCORE_ADJ b l t c g
cd "$w" || exit 126
exec "$@" >>"$o" 2>>"$e" </dev/null
`;
