// The x64 files: the Bun executable on the oldest processor it promises, and the Node single executable.
import { expect } from "bun:test";
import { version } from "../../scripts/build-info.ts";
import { buildSea } from "../../scripts/sea.ts";
import { testWith } from "../support/real-parts.ts";
import { executable, finish, inWorkplace, nodeBundle } from "./emulated-agent.ts";

testWith(["qemu-x86_64", "x64 machine"], "the executable runs on a Nehalem of 2008, without AVX", () => {
  const done = finish(["qemu-x86_64-static", "-cpu", "Nehalem", executable, "version"]);
  expect(done.output).toContain(version());
  expect(done.status).toBe(0);
});

testWith(
  ["x64 machine"],
  "the x64 single executable on Node says its version, and no warning",
  () =>
    inWorkplace(async (place) => {
      const outfile = place.path("edgectl");
      expect(buildSea({ target: "x64", bundle: nodeBundle, outfile })).toEqual({ kind: "built" });
      const done = finish([outfile, "version"]);
      expect(done.output).toContain(version());
      expect(done.output).not.toContain("Warning");
      expect(done.status).toBe(0);
    }),
  180_000,
);
