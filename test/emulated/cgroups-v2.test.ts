// Limits on a machine that has cgroup v2 alone, with all its controllers: Debian's kernel in a virtual machine runs the
// built executable as server and node; what its tasks' groups say, and what the kernel does about it, comes out of its serial line.

import { expect } from "bun:test";
import { spawn } from "node:child_process";
import { writeLinuxDisk } from "../support/linux-disk.ts";
import { linuxKernel, writeRamdisk } from "../support/linux-vm.ts";
import { testWith } from "../support/real-parts.ts";
import { executable, inWorkplace, root } from "./emulated-agent.ts";

const MEMORY_MIB = 768;
/** A minute and a half on two busy cores; a machine that hangs is ended. */
const RUN_MS_MAX = 400_000;
const MIB = 1_048_576;

const ONCE = 'restart = { attempts = 0, mode = "fail" }\nreschedule = { attempts = 0, unlimited = false }\n';
const task = (name: string, driver: string, config: string, resources: string) => `[group.${name}]
ephemeral_disk = { size = 30 }
${ONCE}
[group.${name}.task.${name}]
driver = "${driver}"
config = { ${config} }
resources = { ${resources} }
logs = { max_files = 1, max_file_size = 1 }
`;
const shell = (script: string) => `command = "/bin/sh", args = ["-c", ${JSON.stringify(script)}]`;

const SERVICES = `id = "services"
type = "service"
${task("bound", "exec", `${shell("while :; do :; done")}, pids_limit = 40, cpu_hard_limit = true`, "cpu = 100, memory = 64")}
${task("pinned", "exec", shell("nproc; exec sleep 1000"), "cores = 1, memory = 32")}
${task("raw", "raw_exec", shell("env -i setsid sh -c 'trap : TERM INT HUP; echo $$ >/tmp/escaped; while :; do sleep 1; done' & exec sleep 1000"), "cpu = 50, memory = 16")}`;

const BATCH = `id = "batch"
type = "batch"
${task("hog", "exec", shell("a=$(busybox yes 0123456789 | head -c 200000000)"), "cpu = 100, memory = 32")}
${task("forks", "exec", `${shell("n=0; while [ $n -lt 40 ]; do sleep 100 & n=$((n + 1)); echo $n; done")}, pids_limit = 20`, "cpu = 100, memory = 32")}`;

const SCRIPT = `#!/bin/sh
export PATH=/usr/local/bin:/usr/bin HOME=/root
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mkdir -p /dev/pts /dev/shm; mount -t devpts pts /dev/pts
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmp /tmp
busybox ip link set lo up
slice=/sys/fs/cgroup/edgectl.slice
say() { echo "## $*"; }
wait_for() { n=0; until eval "$1"; do n=$((n + 1)); [ $n -lt 300 ] || { say late "$1"; tail /agent.log; break; }; sleep 0.3; done; }
api() { busybox wget -qO- "http://127.0.0.1:4646$1" 2>/dev/null; }
edgectl agent --data-dir /var/lib/edgectl >/agent.log 2>&1 &
agent=$!
wait_for 'api /v1/nodes | grep -q "\\"Status\\":\\"ready\\""'
echo
say controllers $(cat $slice/cgroup.subtree_control)
edgectl run --detach /jobs/services.toml
edgectl run --detach /jobs/batch.toml
wait_for 'grep -q "nr_throttled [1-9]" $slice/*.bound/cpu.stat 2>/dev/null'
wait_for '[ -e /tmp/escaped ] && ls -d $slice/*.pinned >/dev/null 2>&1'
wait_for '[ $(api /v1/job/batch/allocations | grep -o "\\"State\\":\\"dead\\"" | grep -c .) = 2 ]'
for name in bound pinned raw; do
  for file in memory.max memory.low memory.swap.max cpu.weight cpu.max cpuset.cpus cpuset.cpus.effective pids.max; do say $name.$file $(cat $slice/*.$name/$file); done
done
say slice.memory.low $(cat $slice/memory.low)
say batch.json $(api /v1/job/batch/allocations)
say services.json $(api /v1/job/services/allocations)
pinned=$(ls -d $slice/*.pinned); pinned=\${pinned##*/}; pinned=\${pinned%.pinned}
say pinned.nproc $(cat /var/lib/edgectl/alloc/$pinned/alloc/logs/pinned.stdout.0)
say beside $(edgectl exec $pinned sh -c 'cat /proc/self/cgroup; nproc' </dev/null)
escaped=$(cat /tmp/escaped)
kill -0 $escaped && say escaped.lives yes
kill -9 $agent
edgectl agent --data-dir /var/lib/edgectl >>/agent.log 2>&1 &
agent=$!
wait_for 'api /v1/nodes | grep -q "\\"Status\\":\\"ready\\""'
edgectl stop --detach services
wait_for '! ls -d $slice/*-* >/dev/null 2>&1'
kill -0 $escaped 2>/dev/null || say escaped.ended yes
kill -9 $agent
# As in a container: the tree begins at a group that holds processes.
mkdir /sys/fs/cgroup/box
sh -c 'echo $$ >/sys/fs/cgroup/box/cgroup.procs; exec unshare --cgroup --mount sh -c "umount /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec edgectl agent --data-dir /var/lib/boxed"' >/boxed.log 2>&1 &
wait_for 'api /v1/nodes | grep -q "\\"Status\\":\\"ready\\""'
say boxed $(edgectl node status -self | grep -A 1 exec-unlimited)
say end
busybox poweroff -f
`;

testWith(
  ["qemu-system", "busybox", "linux kernel", "mkfs.ext4", "unshare", "nsenter", "x64 machine"],
  "cgroup v2: limits of memory, processor, cores and processes stand in the tasks' groups and hold; what clears its environment ends with its task",
  () =>
    inWorkplace(async (place) => {
      const { vmlinuz, modules } = linuxKernel(root);
      writeRamdisk(place.path("initrd"), modules, "mkdir /disk\nmount -t ext4 /dev/vda /disk\nexec switch_root /disk /start\n");
      const files = { "jobs/services.toml": SERVICES, "jobs/batch.toml": BATCH };
      writeLinuxDisk(place.path("disk"), { edgectl: executable, script: SCRIPT, files, sizeMB: 1500 });
      const output = await machine(vmlinuz, place.path("initrd"), place.path("disk"));
      const said = new Map([...output.matchAll(/^## (\S+) ?(.*)$/gm)].map(([, name = "", text = ""]) => [name, text]));
      if (!said.has("end")) throw new Error(`the machine did not come to its end:\n${output.slice(-4000)}`);
      expect(said.get("late")).toBeUndefined();

      // What stands in the groups.
      expect(said.get("controllers")).toBe("cpuset cpu memory pids");
      const of = (name: string) =>
        ["memory.max", "memory.low", "memory.swap.max", "cpu.max", "cpuset.cpus", "cpuset.cpus.effective", "pids.max"].map((file) =>
          said.get(`${name}.${file}`),
        );
      expect(of("raw")).toEqual(["max", "0", "max", "max 100000", "", "0-1", "max"]);
      const core = said.get("pinned.cpuset.cpus") ?? "";
      expect(["0", "1"]).toContain(core);
      expect(of("pinned")).toEqual([String(32 * MIB), String(32 * MIB), "0", "max 100000", core, core, "1024"]);
      const [memory, low, swap, quota = "", ...rest] = of("bound");
      expect([memory, low, swap, ...rest]).toEqual([String(64 * MIB), String(64 * MIB), "0", "", "0-1", "40"]);
      expect(quota).toMatch(/^\d{4,5} 100000$/);
      expect(Number(said.get("bound.cpu.weight"))).toBeLessThan(Number(said.get("pinned.cpu.weight")));
      expect(Number(said.get("slice.memory.low"))).toBeGreaterThanOrEqual(96 * MIB);

      // What came of it.
      const events = (job: string, name: string): string => {
        const allocs: readonly {
          readonly TaskStates: Readonly<Record<string, { readonly Events: readonly { readonly DisplayMessage: string }[] }>>;
        }[] = JSON.parse(said.get(`${job}.json`) ?? "[]");
        return allocs.flatMap((alloc) => alloc.TaskStates[name]?.Events.map((event) => event.DisplayMessage) ?? []).join("; ");
      };
      expect(events("batch", "hog")).toMatch(/OOM Killed: the kernel ended the task for using too much memory, at its peak 32 MiB of 32 MiB allowed/);
      expect(events("batch", "forks")).toContain("Exit Code: 2");
      expect(said.get("pinned.nproc")).toBe("1");
      expect([said.get("escaped.lives"), said.get("escaped.ended")]).toEqual(["yes", "yes"]);
      expect(said.get("beside")).toMatch(/^0::\/edgectl\.slice\/\S+\.pinned\/command-[0-9a-f]+ 1$/);
      expect(said.get("boxed")).toMatch(/^exec-unlimited: .*memory, cpu, cpuset, pids \(the agent runs in a cgroup of somebody else's\) mend it: /);
    }),
  RUN_MS_MAX + 60_000,
);

// --- internal ---

/** What the machine prints until it turns itself off; one that does not is ended. */
function machine(kernel: string, ramdisk: string, disk: string): Promise<string> {
  const options = ["-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "2", "-m", `${MEMORY_MIB}M`, "-nographic", "-no-reboot", "-nic", "none"];
  const boot = ["-kernel", kernel, "-initrd", ramdisk, "-append", "console=ttyS0 quiet panic=-1"];
  const drive = ["-drive", `file=${disk},if=virtio,format=raw,cache=unsafe`];
  const child = spawn("qemu-system-x86_64", [...options, ...boot, ...drive], { stdio: ["ignore", "pipe", "pipe"] });
  return new Promise((resolve, reject) => {
    let output = "";
    const hear = (piece: Buffer) => {
      output += piece.toString();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    const timer = setTimeout(() => child.kill("SIGKILL"), RUN_MS_MAX);
    child.once("error", reject);
    child.once("close", () => {
      clearTimeout(timer);
      resolve(output);
    });
  });
}
