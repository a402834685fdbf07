// The CLI as people and scripts type it: Nomad's ways, prefixes of ids, exit codes, JSON, standard input, variables.

import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { testWith } from "../support/real-parts.ts";
import { NO_RETRY, shellJob } from "./jobs.ts";
import { executable, inPlace, until } from "./place.ts";

const MINUTE = 60_000;

test(
  "called as nomad, with one dash and NOMAD_ADDR, it answers like Nomad",
  () =>
    inPlace(async (place) => {
      await place.start();
      symlinkSync(executable, place.path("nomad"));
      const nomad = (...words: string[]) =>
        spawnSync(place.path("nomad"), words, { encoding: "utf8", env: { PATH: process.env.PATH ?? "", NOMAD_ADDR: place.agent.address } });
      const file = place.write("job.toml", shellJob({ id: "sre", type: "service", script: "exec sleep 1000" }));
      expect(nomad("job", "run", "-detach", file).status).toBe(0);
      await place.untilAlloc("sre", "running");
      expect(nomad("job", "status", "sre").stdout).toMatch(/^ID\s+= sre\n/);
      expect(JSON.parse(nomad("job", "inspect", "sre").stdout).Job.ID).toBe("sre");
      expect(nomad("node", "status", "-self").stdout).toContain("ready");
      // There -json says that the input is JSON.
      const json = place.write(
        "job.json",
        JSON.stringify({
          Job: {
            ID: "from-json",
            Type: "batch",
            TaskGroups: [
              { Name: "g", Tasks: [{ Name: "t", Driver: "raw_exec", Config: { command: "/bin/true" }, Resources: { CPU: 10, MemoryMB: 10 } }] },
            ],
          },
        }),
      );
      expect(nomad("job", "run", "-detach", "-json", json).status).toBe(0);
      await place.untilAlloc("from-json", "complete");
      expect(nomad("job", "stop", "-detach", "-purge", "sre").status).toBe(0);
    }),
  MINUTE,
);

test(
  "prefixes of ids are accepted, of odd length too",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.run(shellJob({ id: "prefixed", type: "service", script: "echo here; exec sleep 1000" }), "--detach");
      const alloc = await place.untilAlloc("prefixed", "running");
      for (const length of [7, 8, 36]) expect(place.ok("alloc", "status", alloc.ID.slice(0, length))).toContain(`= prefixed`);
      await until("the log", async () => (await place.logs(alloc.ID, "main")) === "here\n");
      expect(place.ok("logs", "--all", alloc.ID.slice(0, 8))).toBe("here\n");
      expect(place.ok("status", alloc.ID.slice(0, 8))).toContain("prefixed");
      expect(place.ok("eval", "status", alloc.EvalID.slice(0, 8))).toContain("complete");
      expect(place.ok("node", "status", alloc.NodeID.slice(0, 8))).toContain("eligible");
      expect(place.ok("stop", "--yes", "prefix")).toContain("prefixed");
    }),
  MINUTE,
);

test(
  "exit codes tell: done, failed, not placed; plan tells changes",
  () =>
    inPlace(async (place) => {
      await place.start();
      const job = (script: string) => shellJob({ id: "code", script, group: NO_RETRY });
      const file = place.write("job.toml", job("exit 0"));
      expect(place.cli("plan", file).status).toBe(1);
      expect(place.cli("run", "--wait", file).status).toBe(0);
      expect(place.cli("plan", file).status).toBe(0);
      expect(place.run(job("exit 3"), "--wait").status).toBe(1);
      expect(place.run(`${job("exit 0")}\n[[constraint]]\nattribute = "\${node.class}"\nvalue = "none such"\n`).status).toBe(2);
      expect(place.cli("plan", "/nowhere.toml").status).toBe(255);
      expect(place.cli("frobnicate").status).toBe(1);
      expect(place.cli("run", "--frobnicate", file).status).toBe(1);
    }),
  MINUTE,
);

test(
  "following a job that is stopped already ends at once",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.run(shellJob({ id: "over", type: "service", script: "exec sleep 1000" }), "--detach");
      await place.untilAlloc("over", "running");
      place.ok("stop", "over");
      const began = performance.now();
      expect(place.cli("job", "eval", "over").status).toBe(0);
      expect(performance.now() - began).toBeLessThan(5000);
    }),
  MINUTE,
);

test(
  "a job comes from standard input, with variables from flag, file and environment",
  () =>
    inPlace(async (place) => {
      await place.start();
      const text = `[variables]\nword = "default"\ncount = { type = "number", default = 1 }\n`;
      const job = shellJob({ id: "vars", script: "echo ${var.word}", group: 'count = "${var.count}"' });
      const withVariables = `${job.split("[group.g]")[0]}${text}[group.g]${job.split("[group.g]").slice(1).join("[group.g]")}`;
      const values = place.write("values.toml", 'word = "file"\n');
      const spoken = async (env: Record<string, string>, ...flags: string[]) => {
        const done = place.cliWith({ input: withVariables, env }, "run", "--wait", ...flags, "-");
        expect([done.status, done.stderr]).toEqual([0, ""]);
        return place.logs((await place.alloc("vars")).ID, "main");
      };
      expect(await spoken({})).toBe("default\n");
      expect(await spoken({ NOMAD_VAR_word: "nomad" })).toBe("nomad\n");
      expect(await spoken({ NOMAD_VAR_word: "nomad", EDGECTL_VAR_word: "edgectl" })).toBe("edgectl\n");
      expect(await spoken({ EDGECTL_VAR_word: "edgectl" }, "--var-file", values)).toBe("file\n");
      expect(await spoken({}, "--var-file", values, "--var", "word=flag")).toBe("flag\n");
    }),
  MINUTE,
);

test(
  "every listing prints JSON, and a missing agent says what to type",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.run(shellJob({ id: "listed", script: "true" }), "--wait");
      for (const words of [
        ["status"],
        ["node", "status"],
        ["eval", "list"],
        ["job", "allocs", "listed"],
        ["job", "history", "listed"],
        ["server", "members"],
        ["alloc", "status"],
      ]) {
        const done = place.cli(...words, "--json");
        expect([words, done.status, typeof JSON.parse(done.stdout)]).toEqual([words, 0, "object"]);
      }
      expect(JSON.parse(place.ok("job", "schema")).$schema).toContain("json-schema.org");
      await place.agent.stop();
      const lost = place.cli("status");
      expect(lost.status).toBe(1);
      expect(lost.stderr).toContain("edgectl agent --dev");
      expect(lost.stderr).not.toContain("    at ");
    }),
  MINUTE,
);

for (const [shell, flags] of [
  ["bash", ["-n"]],
  ["zsh", ["-n"]],
  ["fish", ["--no-execute"]],
] as const) {
  testWith([shell], `the completion script for ${shell} is accepted by it`, () => {
    const script = spawnSync(executable, ["completion", shell], { encoding: "utf8" });
    expect([script.status, script.stdout.includes("periodic")]).toEqual([0, true]);
    const checked = spawnSync(shell, flags, { input: script.stdout, encoding: "utf8" });
    expect([checked.status, checked.stderr]).toEqual([0, ""]);
  });
}
