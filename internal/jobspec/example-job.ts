// The commented job files that `edgectl init` writes.

export type ExampleKind = "service" | "batch" | "periodic";

/** A short job file with comments, valid as it stands. */
export function exampleJob(kind: ExampleKind): string {
  switch (kind) {
    case "service":
      return SERVICE;
    case "batch":
      return BATCH;
    case "periodic":
      return PERIODIC;
  }
}

// --- internal ---

const SERVICE = `# A job: what should run, and where. Start it with: edgectl run job.toml
id = "hello"
type = "service"            # runs until it is stopped; also: batch, system, sysbatch
# datacenters = ["dc1"]     # any datacenter unless given

# [task.NAME] runs one instance of one program. More instances, ports or
# several programs side by side are said with [group.NAME] instead.
[task.hello]
driver = "raw_exec"
config = { command = "/bin/sh", args = ["-c", "while :; do echo hello from $NOMAD_ALLOC_ID; sleep 10; done"] }
env = { GREETING = "hello" }
resources = { cpu = 50, memory = 32 }   # MHz and MiB

# Restart on the same device when it exits, three times in ten minutes.
restart = { attempts = 3, interval = "10m", delay = "15s", mode = "delay" }

# Only on devices like this:
# [[constraint]]
# attribute = "\${attr.cpu.arch}"
# value = "arm"
`;

const BATCH = `# A batch job runs to its end, once. Start it with: edgectl run job.toml
id = "backup"
type = "batch"

[task.backup]
driver = "raw_exec"
config = { command = "/bin/sh", args = ["-c", "echo backing up to $NOMAD_TASK_DIR"] }
resources = { cpu = 100, memory = 50 }   # MHz and MiB

# Try again up to two times when it fails.
restart = { attempts = 2, interval = "10m", delay = "15s", mode = "fail" }
`;

const PERIODIC = `# A periodic job runs at given times. Start it with: edgectl run job.toml
id = "report"
type = "batch"

[periodic]
cron = "*/15 * * * *"       # minute, hour, day of month, month, day of week
time_zone = "UTC"
prohibit_overlap = true     # skip a run while the one before is still going
catch_up = "last"           # after an outage run the last missed one; also: none, all

[task.report]
driver = "raw_exec"
config = { command = "/bin/sh", args = ["-c", "echo the load is $(cat /proc/loadavg)"] }
resources = { cpu = 50, memory = 32 }    # MHz and MiB
`;
