// java on a real agent with a real JVM.

import { expect } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnJar } from "../support/java-class.ts";
import { testWith } from "../support/real-parts.ts";
import { inPlace, pidsWith, root, until } from "./place.ts";

const JAVA = ["root", "unshare", "nsenter", "java"] as const;

testWith(
  JAVA,
  "jobs/java.toml runs with half its memory as heap; a JVM that fills that heap lives in its limit, and outlives its agent; wrong jars are told",
  () =>
    inPlace(async (place) => {
      const jar = place.path("usr-local/share/report/report.jar");
      mkdirSync(join(jar, ".."), { recursive: true });
      writeFileSync(jar, spawnJar());
      const bind = `mount --bind ${place.path("usr-local")} /usr/local && exec "$@"`;
      const wrapper = ["unshare", "--mount", "sh", "-c", bind, "sh"];
      const first = await place.start({ wrapper });
      expect(place.ok("node", "status", "-self")).toMatch(/^Drivers\s+=.*\bjava\b/m);
      place.ok("run", "--detach", join(root, "jobs", "java.toml"));
      const report = await place.untilAlloc("java", "complete");
      expect(await place.logs(report.ID, "report")).toMatch(/^this report was made by \S+\/bin\/java -Xmx32m$/m);

      const service = (id: string, config: string) => `id = "${id}"
[group.g]
restart = { attempts = 0, mode = "fail" }
[group.g.task.main]
driver = "java"
config = { ${config} }
resources = { cpu = 50, memory = 64 }
`;
      const loop = `args = ["/bin/sh", "-c", "echo $$ up; id -u; exec sleep 1000"]`;
      const options = `jvm_options = ["-XX:+UseSerialGC", "-Xms32m", "-XX:+AlwaysPreTouch"]`;
      place.run(service("full", `jar_path = "/usr/local/share/report/report.jar", ${loop}, ${options}`), "--detach");
      const full = await place.untilAlloc("full", "running");
      await until("it is up", async () => (await place.logs(full.ID, "main")).split("\n").length === 3);
      expect(Number((await place.logs(full.ID, "main")).split("\n")[1])).toBeGreaterThanOrEqual(80_000);
      const pids = pidsWith(`EDGECTL_TASK_TOKEN=${full.ID}`);
      const mib = Math.max(...pids.map((pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024));
      expect(mib).toBeGreaterThan(32);

      place.run(service("gone", 'jar_path = "local/nowhere.jar"'), "--detach");
      const gone = await place.untilAlloc("gone", "failed");
      expect(JSON.stringify(gone.TaskStates)).toContain('the file \\"/local/nowhere.jar\\" was not found on this node');
      const refused = place.run(service("bad", 'jar = "x.jar"'));
      expect(refused.status).toBe(1);
      expect(refused.stderr).toMatch(/java has no config key "jar"/);

      await first.kill();
      await place.start({ wrapper, name: "second", dataDirectory: first.dataDirectory, port: first.port });
      await place.untilAlloc("full", "running");
      expect(pidsWith(`EDGECTL_TASK_TOKEN=${full.ID}`).sort()).toEqual(pids.sort());
      place.ok("stop", "full");
      await place.untilAlloc("full", "complete");
      expect(pidsWith(`EDGECTL_TASK_TOKEN=${full.ID}`)).toEqual([]);
    }),
  60_000,
);
