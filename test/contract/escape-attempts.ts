// Ways out of a task's isolation, each as a script that says ESCAPED when it came through, or as a look at the machine
// afterwards. Tried by a task without isolation first: an attempt that fails there as well proves nothing.

import type { JsonMap, Task } from "../../internal/domain/job.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";

/** Things of the machine that a task must not reach. */
export interface Targets {
  readonly runtime: Runtime;
  /** Readable for everyone, below a folder that is open to everyone. */
  readonly file: string;
  readonly otherTask: { readonly secret: string; readonly file: string };
  /** A process of root's that sleeps, with this word on its command line and in its environment. */
  readonly pid: number;
  readonly word: string;
  /** The task's own folders as the machine names them. */
  readonly hostLocal: string;
  readonly hostLogs: string;
  readonly sharedMemory: string;
}

export interface Attempt {
  readonly name: string;
  readonly script: (targets: Targets) => string;
  /** Whether it came through, where the task cannot know. */
  readonly hasEscaped?: (targets: Targets) => boolean;
  readonly before?: (targets: Targets) => Promise<unknown>;
  /** Puts right what an attempt without isolation did. */
  readonly after?: (targets: Targets) => Promise<unknown> | unknown;
  readonly config?: JsonMap;
  readonly user?: Task["user"];
  /** Root inside is root outside where the job asks for the host's processes: no promise is made for it. */
  readonly isNotForRoot?: true;
  readonly env?: (targets: Targets) => Readonly<Record<string, string>>;
  /** The same task once before, with this script. */
  readonly first?: (targets: Targets) => string;
  /** Why this machine cannot try it. */
  readonly missing?: (runtime: Runtime) => string | null;
}

const said = "&& echo ESCAPED";

export const ATTEMPTS: readonly Attempt[] = [
  { name: "read a file of the host", script: ({ file }) => `cat ${file} ${said}` },
  {
    name: "write a file of the host",
    script: ({ file }) => `echo changed >>${file}`,
    hasEscaped: ({ runtime, file }) => runtime.files.readText(file) !== "original\n",
    after: ({ runtime, file }) => runtime.files.writeText(file, "original\n"),
  },
  { name: "list the home of root", script: () => `ls /root ${said}` },
  { name: "read the password hashes", script: () => `cat /etc/shadow >/dev/null ${said}` },
  { name: "write into the system's folders", script: ({ word }) => `touch /usr/${word} ${said}; rm -f /usr/${word}` },
  { name: "make /usr writable again", script: ({ word }) => `mount -o remount,bind,rw /usr; touch /usr/${word} ${said}; rm -f /usr/${word}` },
  {
    name: "make /usr writable in a user namespace",
    script: ({ word }) =>
      `unshare --user --map-root-user --mount sh -c 'mount -o remount,bind,rw /usr; touch /usr/${word}' ${said}; rm -f /usr/${word}`,
  },
  { name: "see a process of another", script: ({ word }) => `grep -l -s "${word}-pro[c]ess" /proc/[0-9]*/cmdline ${said}` },
  { name: "read a process's environment", script: ({ pid, word }) => `grep -q -s ${word}-environment /proc/${pid}/environ ${said}` },
  {
    name: "read it with the host's processes in sight",
    config: { pid_mode: "host" },
    script: ({ pid, word }) => `grep -q -s ${word}-environment /proc/${pid}/environ ${said}`,
  },
  { name: "signal a process of another", script: ({ pid }) => `kill -CONT ${pid} ${said}` },
  {
    name: "signal it with the host's processes in sight",
    config: { pid_mode: "host" },
    script: ({ pid }) => `kill -CONT ${pid} ${said}`,
    isNotForRoot: true,
  },
  {
    name: "trace a process of another",
    config: { pid_mode: "host" },
    script: ({ pid }) => `timeout 1 strace -p ${pid} 2>&1 | grep -q attached ${said}`,
    missing: (runtime) => (runtime.files.isExecutable("/usr/bin/strace") ? null : "no strace"),
  },
  { name: "open a process's root", config: { pid_mode: "host" }, script: ({ pid, file }) => `cat /proc/${pid}/root${file} ${said}` },
  { name: "enter the host's mounts", config: { pid_mode: "host" }, script: ({ pid, file }) => `nsenter --mount --target ${pid} cat ${file} ${said}` },
  { name: "read another task's file", script: ({ otherTask }) => `cat ${otherTask.file} ${said}` },
  { name: "read another task's secret", script: ({ otherTask }) => `cat ${otherTask.secret} ${said}` },
  { name: "read the host's shared memory", script: ({ sharedMemory }) => `cat ${sharedMemory} ${said}` },
  { name: "mount something", script: () => `d=$NOMAD_TASK_DIR/m; mkdir -p $d; mount -t tmpfs none $d ${said}; umount $d 2>/dev/null` },
  {
    name: "become root by a setuid program",
    user: "nobody",
    before: async ({ runtime, hostLocal }) =>
      runtime.processes.run("sh", ["-c", `cp /usr/bin/id ${hostLocal}/setuid-id; chmod 4755 ${hostLocal}/setuid-id`]),
    script: () => `test "$($NOMAD_TASK_DIR/setuid-id -u)" = 0 ${said}`,
  },
  {
    name: "read a disk that it did not ask for",
    script: () =>
      `for d in /dev/vda /dev/sda /dev/mmcblk0 /dev/nvme0n1 /dev/loop0 /dev/kmsg; do dd if=$d bs=1 count=0 2>/dev/null ${said} && break; done`,
  },
  {
    name: "make a device of its own",
    script: () =>
      `for d in $NOMAD_TASK_DIR /dev /tmp /dev/shm; do mknod $d/zero-of-mine c 1 5 && head -c 1 $d/zero-of-mine >/dev/null ${said}; rm -f $d/zero-of-mine; done`,
  },
  {
    name: "write a kernel setting",
    script: () => `f=/proc/sys/kernel/printk_ratelimit; read v <$f; echo $v >$f ${said}`,
  },
  { name: "write to sysfs", script: () => `f=/sys/kernel/mm/transparent_hugepage/defrag; [ -e $f ] || f=/sys/power/state; sh -c ": >>$f" ${said}` },
  {
    name: "leave by chroot",
    script: ({ file }) =>
      `cd $NOMAD_TASK_DIR && perl -e 'mkdir "hole"; chroot "hole" or exit 1; chdir ".." for 1..64; chroot "." or exit 1; open F, "<", $ARGV[0] or exit 1' ${file} ${said}`,
    missing: needsPerl,
  },
  {
    name: "load a kernel module",
    // 1 is EPERM; any other answer means that the kernel would have looked at it.
    script: () => `perl -e 'my $none = 0; syscall(${initModule()}, $none, 0, $none); exit($!+0 == 1 ? 1 : 0)' ${said}`,
    missing: (runtime) => needsPerl(runtime) ?? (runtime.files.stat("/proc/modules") === null ? "this kernel has no modules" : null),
  },
  {
    name: "start more processes than it may",
    config: { pids_limit: 60 },
    script: () => `i=0; while [ $i -lt 150 ]; do sleep 5 & i=$((i + 1)); done 2>/dev/null; echo ESCAPED`,
  },
  {
    name: "write into another task's log",
    before: async ({ runtime, hostLogs }) => runtime.files.writeText(`${hostLogs}/other.stdout.0`, "said\n"),
    script: () => `echo forged >>$NOMAD_ALLOC_DIR/logs/other.stdout.0 ${said}`,
  },
  {
    name: "put a link in place of the logs",
    script: () => `mv $NOMAD_ALLOC_DIR/logs $NOMAD_ALLOC_DIR/moved ${said}; mv $NOMAD_ALLOC_DIR/moved $NOMAD_ALLOC_DIR/logs`,
  },
  {
    name: "be root by way of the environment of the next start",
    // The programs that start a task are looked up by name: not by the job's own path.
    first: ({ word }) =>
      `for n in setsid sh mount unshare setpriv nsenter sync mv; do printf '#!/bin/sh\\ntouch /usr/${word}\\nexec /bin/false\\n' >$NOMAD_TASK_DIR/$n; chmod 755 $NOMAD_TASK_DIR/$n; done`,
    env: ({ hostLocal }) => ({ PATH: `${hostLocal}:/usr/bin:/bin`, LD_LIBRARY_PATH: hostLocal, BASH_ENV: `${hostLocal}/sh` }),
    script: () => ":",
    hasEscaped: ({ runtime, word }) => runtime.files.stat(`/usr/${word}`) !== null,
    after: ({ runtime, word }) => runtime.files.remove(`/usr/${word}`),
  },
];

// --- internal ---

function needsPerl(runtime: Runtime): string | null {
  return runtime.files.isExecutable("/usr/bin/perl") ? null : "no perl";
}

function initModule(): number {
  return { x64: 175, arm64: 105, arm: 128 }[process.arch as string] ?? 175;
}
