// The shell between the shim and a task in namespaces of its own. It runs as root with an environment of edgectl's
// alone: what a job sets takes effect only where nothing is left to gain, after privileges and the host are gone.

/**
 * First process of the task's pid namespace. Says who it is, since its namespaces are those that commands beside the
 * task enter (the task could have left them for some of its own making), mounts what the task may see, then waits for the task:
 * were that the first process itself, it would be deaf to signals that it does not handle, and orphans would stay.
 * The kernel takes about ten milliseconds to let the first process for a while change its cgroup, which a throwaway
 * spends during the mounts, so that the task does not.
 */
export const SANDBOX_SCRIPT = `# Builds what one task may see. Written by edgectl; changes are overwritten.
c=$1
exec 2>"$c/error"
read -r b </proc/sys/kernel/random/boot_id
read -r l </proc/self/stat
p=\${l%% *}
l=\${l##*) }
started() { shift 19; t=$1; }
started $l
n=sandbox
if [ -n "$EDGECTL_PID_NAMESPACE" ]; then n=init; fi
echo "$p $t $b" >"$c/$n" || exit 125
for g in $EDGECTL_CGROUPS; do { echo 0 >"$g/cgroup.procs"; } & break; done
$EDGECTL_MOUNT --all --fstab "$c/fstab" || exit 125
if [ -s "$c/devices" ]; then . "$c/devices" || exit 125; fi
setsid sh "$EDGECTL_SANDBOX_TASK" "$@"
exit $?
`;

/**
 * Leads the task's session: enters the cgroups, claims the start as the plain task script does, leaves the host's
 * file system for good, and becomes the task with what it may do. The environment comes over a descriptor, last.
 */
export const SANDBOX_TASK_SCRIPT = `# Becomes the task. Written by edgectl; changes are overwritten.
c=$1 w=$2 o=$3 e=$4
shift 4
for g in $EDGECTL_CGROUPS; do echo 0 >"$g/cgroup.procs" || exit 125; done
if [ -n "$EDGECTL_RLIMITS" ]; then $EDGECTL_PRLIMIT $EDGECTL_RLIMITS --pid $$ || exit 125; fi
read -r b </proc/sys/kernel/random/boot_id
read -r l </proc/self/stat
p=\${l%% *}
l=\${l##*) }
started() { shift 19; t=$1; }
started $l
exec 3<"$c/env" 4>>"$o" 5>>"$e" </dev/null || exit 125
cd "$EDGECTL_ROOT" || exit 125
set -C
echo "$p $t $b" >"$c/pid" || exit 125
set +C
$EDGECTL_PIVOT . . && $EDGECTL_UMOUNT -l . || exit 125
exec >&4 2>&5 4>&- 5>&-
cd "$w" || exit 126
exec $EDGECTL_SETPRIV -c '. /proc/self/fd/3 && exec 3<&- && exec "$@"' sh "$@"
`;
