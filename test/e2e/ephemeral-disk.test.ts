// A sticky ephemeral disk: what takes the place of an allocation finds its data, on the same node.

import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { testWith } from "../support/real-parts.ts";
import { inPlace, type Place, until } from "./place.ts";

const MINUTE = 60_000;

function keeperJob(version: string, disk: string, driver = "raw_exec"): string {
  const script = `cat $NOMAD_ALLOC_DIR/data/kept $NOMAD_TASK_DIR/own 2>/dev/null; echo ${version} >> $NOMAD_ALLOC_DIR/data/kept; echo own-${version} >> $NOMAD_TASK_DIR/own; echo begun; exec sleep 1000`;
  return `id = "keeper"
[group.g]
ephemeral_disk = { ${disk} }
update = { min_healthy_time = "0s" }
[group.g.task.main]
driver = "${driver}"
config = { command = "/bin/sh", args = ["-c", ${JSON.stringify(script)}] }
logs = { max_files = 1, max_file_size = 1 }
resources = { cpu = 10, memory = 10 }
`;
}

async function begun(place: Place, not: string): Promise<{ readonly id: string; readonly text: string }> {
  let found = { id: "", text: "" };
  await until("the next one to begin", async () => {
    const [alloc] = (await place.get("/v1/job/keeper/allocations")).filter(
      (one: { ID: string; ClientStatus: string; DesiredStatus: string }) =>
        one.ID !== not && one.DesiredStatus === "run" && one.ClientStatus === "running",
    );
    if (!alloc) return false;
    found = { id: alloc.ID, text: await place.logs(alloc.ID, "main") };
    return found.text.includes("begun");
  });
  return found;
}

test(
  "a new version and a replacement by request have the data of the one before, others begin without; migrate is refused by name",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.run(keeperJob("one", "sticky = true"), "--detach");
      const first = await begun(place, "");
      place.run(keeperJob("two", "sticky = true"), "--detach");
      const second = await begun(place, first.id);
      expect(second.text).toBe("one\nown-one\nbegun\n");
      expect(existsSync(join(place.agent.dataDirectory, "alloc", first.id, "alloc/data"))).toBe(false);
      place.ok("alloc", "stop", "--detach", second.id);
      const third = await begun(place, second.id);
      expect(third.text).toBe("one\ntwo\nown-one\nown-two\nbegun\n");
      place.run(keeperJob("three", "sticky = false"), "--detach");
      expect((await begun(place, third.id)).text).toBe("begun\n");
      expect(place.run(keeperJob("four", "sticky = true, migrate = true")).stderr).toContain("`migrate` is not carried out by edgectl yet");
    }),
  MINUTE,
);

testWith(
  ["root", "unshare", "nsenter"],
  "a task of exec writes on in the folders of the one before it, as the user that that one was",
  () =>
    inPlace(async (place) => {
      await place.start();
      let last = "";
      let text = "";
      for (const version of ["one", "two", "three"]) {
        place.run(keeperJob(version, "sticky = true", "exec"), "--detach");
        ({ id: last, text } = await begun(place, last));
      }
      expect(text).toBe("one\ntwo\nown-one\nown-two\nbegun\n");
    }),
  MINUTE,
);
