// The ARMv7 single executable: Node's own blob, made and run under emulation.
import { expect } from "bun:test";
import { version } from "../../scripts/build-info.ts";
import { buildSea } from "../../scripts/sea.ts";
import { testWith } from "../support/real-parts.ts";
import { finish, inWorkplace, nodeBundle } from "./emulated-agent.ts";

testWith(
  ["qemu-arm", "armhf libraries"],
  "the ARMv7 executable is made with the Node it carries and says its version",
  () =>
    inWorkplace(async (place) => {
      const outfile = place.path("edgectl");
      expect(buildSea({ target: "armv7", bundle: nodeBundle, outfile })).toEqual({ kind: "built" });
      const done = finish(["qemu-arm-static", "-L", "/usr/arm-linux-gnueabihf", outfile, "version"]);
      expect(done.output).toContain(version());
      expect(done.output).not.toContain("Warning");
      expect(done.status).toBe(0);
    }),
  180_000,
);
