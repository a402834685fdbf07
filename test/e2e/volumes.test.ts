// Folders of the machine in tasks of a real agent: seen where they are asked for, written only where that is allowed, and
// no way out of them.

import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { testWith } from "../support/real-parts.ts";
import { NO_RETRY, shellJob } from "./jobs.ts";
import { inPlace, type Place, until } from "./place.ts";

const MINUTE = 60_000;
const VOLUMES = 'volume = { data = { source = "data" }, maps = { source = "maps" , read_only = true } }';
const at = (volume: string, destination: string, more = "") =>
  `[[group.g.task.main.volume_mount]]\nvolume = "${volume}"\ndestination = "${destination}"\n${more}`;

async function start(place: Place): Promise<void> {
  for (const name of ["data", "maps"]) {
    mkdirSync(place.path(name));
    chmodSync(place.path(name), 0o777);
  }
  writeFileSync(place.path("maps/north"), "up");
  // Within the task it names what the task sees there, and that is nothing.
  symlinkSync("/root", place.path("data/out"));
  await place.start({ flags: ["--host-volume", `data=${place.path("data")}`, "--host-volume", `maps=${place.path("maps")}:ro`] });
  await until("the node", async () => (await place.get("/v1/nodes"))[0]?.Status === "ready");
}

async function outcome(place: Place, toml: string, id: string, status: string): Promise<{ readonly output: string; readonly events: string }> {
  const done = place.run(toml, "--detach");
  expect([done.status, done.stderr]).toEqual([0, expect.any(String)]);
  const alloc = await place.untilAlloc(id, status);
  const events = alloc.TaskStates.main.Events.map((event: { readonly DisplayMessage: string }) => event.DisplayMessage).join("\n");
  return { output: `${await place.logs(alloc.ID, "main")}${await place.logs(alloc.ID, "main", "stderr")}`, events };
}

const job = (driver: string, id: string, script: string, mounts: string) =>
  shellJob({ id, script, group: `${NO_RETRY}\n${VOLUMES}`, task: mounts }).replace('driver = "raw_exec"', `driver = "${driver}"`);

testWith(
  ["root", "unshare", "nsenter"],
  "exec: a volume is written where that is allowed, read where not, holds what it held, and leads nowhere else",
  () =>
    inPlace(async (place) => {
      await start(place);
      const script =
        "cat /srv/maps/north; echo one >/data/line && cat /data/line; echo down >/srv/maps/north || echo refused; mkdir /srv/maps/x || echo refused; " +
        "ls /data/out/ || echo nothing; cat /local/more/line; mount -o remount,rw,bind /srv/maps || echo refused";
      const mounts = at("data", "/data") + at("maps", "/srv/maps") + at("data", "/local/more", "read_only = true\n");
      const { output } = await outcome(place, job("exec", "both", script, mounts), "both", "complete");
      expect(output.replaceAll("\n", " ")).toStartWith("upone refused refused nothing one refused ");
      expect([readFileSync(place.path("data/line"), "utf8"), readFileSync(place.path("maps/north"), "utf8")]).toEqual(["one\n", "up"]);
      const covering = await outcome(place, job("exec", "covering", "true", at("data", "/usr/local/lib")), "covering", "failed");
      expect(covering.events).toContain("cannot be mounted at /usr/local/lib: that is the system's own");
      // A disk that is not there is no folder that may be made.
      renameSync(place.path("data"), place.path("unplugged"));
      const unplugged = await outcome(place, job("exec", "unplugged", "true", at("data", "/data")), "unplugged", "failed");
      expect(unplugged.events).toContain(`volume "data": there is no folder ${place.path("data")} on this node (is the disk it is on mounted?)`);
      expect(existsSync(place.path("data"))).toBe(false);
    }),
  MINUTE,
);

test(
  "raw_exec: a volume is a link in the task's folder, and says that it cannot keep anybody from writing",
  () =>
    inPlace(async (place) => {
      await start(place);
      const mounts = at("data", "${NOMAD_TASK_DIR}/data") + at("maps", "maps");
      const done = await outcome(place, job("raw_exec", "raw", "echo two >local/data/line; cat maps/north", mounts), "raw", "complete");
      expect(done.output).toBe("up");
      expect(done.events).toContain(`Volume "maps" is for reading alone, which raw_exec cannot keep: it is a link to ${place.path("maps")}`);
      expect(readFileSync(place.path("data/line"), "utf8")).toBe("two\n");
      // Garbage collection takes the link, never what it names.
      place.ok("system", "gc");
      const alloc = (await place.alloc("raw"))?.ID ?? "";
      await until("the folder to go", () => !existsSync(`${place.agent.dataDirectory}/alloc/${alloc || "none"}`));
      expect(readFileSync(place.path("data/line"), "utf8")).toBe("two\n");
      expect(place.ok("node", "status", "-self")).toContain(`data (${place.path("data")}), maps (${place.path("maps")}, read-only)`);
    }),
  MINUTE,
);
