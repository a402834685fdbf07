// qemu on a real agent: a real Linux in a machine, reached by its port, stopped by its power button; and what is refused.

import { expect } from "bun:test";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { bootSector } from "../support/boot-sector.ts";
import { linuxKernel, writeRamdisk } from "../support/linux-vm.ts";
import { testWith } from "../support/real-parts.ts";
import { driverJob } from "./jobs.ts";
import { inPlace, pidsWith, root, until } from "./place.ts";

/** Without an accelerator a kernel takes seconds to boot, and more on a machine under load. */
const BOOT_MS_MAX = 90_000;

const INIT = `ip link set lo up; ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2
echo "the disk says: $(head -n 1 /dev/vda)"
echo "<html>memory $(sed -n 's/^MemTotal: *//p' /proc/meminfo)</html>" >/www/index.html
httpd -p 8080 -h /www
for one in /sys/class/input/event*; do if grep -q Power $one/device/name; then button=/dev/input/\${one##*/}; fi; done
echo guest is up
head -c 1 $button >/dev/null
echo the power button was pressed
poweroff -f
`;

testWith(
  ["root", "unshare", "qemu-system", "busybox", "linux kernel"],
  "jobs/qemu.toml boots Linux: disk, memory and port are the job's; it outlives its agent; a stop is its power button, and its end is well",
  () =>
    inPlace(async (place) => {
      const { vmlinuz, modules } = linuxKernel(root);
      mkdirSync(place.path("images"));
      copyFileSync(vmlinuz, place.path("images/vmlinuz"));
      writeRamdisk(place.path("images/initrd"), modules, INIT);
      writeFileSync(place.path("images/guest.img"), Buffer.concat([Buffer.from("hello from the image\n"), Buffer.alloc(1_048_576)]));
      const bind = `mkdir -p /var/lib/images && mount --bind ${place.path("images")} /var/lib/images && exec "$@"`;
      const options = {
        wrapper: ["unshare", "--mount", "sh", "-c", bind, "sh"],
        flags: ["--client.qemu.image-paths", "/var/lib/images"],
      };
      const first = await place.start(options);
      await until("qemu is found", () => place.ok("node", "status", "-self").includes("qemu"));
      place.ok("run", "--detach", `${root}/jobs/qemu.toml`);
      const alloc = await place.untilAlloc("qemu", "running");
      // Its environment does not name this place, by which others are found and ended when a test fails.
      place.onClose(() => pidsWith(`EDGECTL_TASK_TOKEN=${alloc.ID}`).forEach((pid) => void process.kill(pid, "SIGKILL")));
      const [port] = alloc.AllocatedResources.Shared.Ports;
      const address = `http://${port.HostIP || "127.0.0.1"}:${port.Value}/`;
      await until("the guest to be up", async () => (await place.logs(alloc.ID, "guest")).includes("guest is up"), BOOT_MS_MAX);
      expect(await place.logs(alloc.ID, "guest")).toContain("the disk says: hello from the image");
      const load = async () => (await fetch(address).catch(() => null))?.text() ?? "";
      let page = "";
      // The guest's link comes up a moment after it was told to.
      await until(
        "the guest's page",
        async () => {
          page = await load();
          return page !== "";
        },
        BOOT_MS_MAX,
      );
      const memoryKiB = Number(/memory (\d+) kB/.exec(page)?.[1]);
      expect(memoryKiB).toBeGreaterThan(80_000);
      expect(memoryKiB).toBeLessThan(128 * 1024);
      const pids = pidsWith(`EDGECTL_TASK_TOKEN=${alloc.ID}`);

      await first.kill();
      await place.start({ ...options, name: "second", dataDirectory: first.dataDirectory, port: first.port });
      await place.untilAlloc("qemu", "running");
      expect(pidsWith(`EDGECTL_TASK_TOKEN=${alloc.ID}`)).toEqual(pids);
      expect(await load()).toBe(page);
      place.ok("stop", "qemu");
      const stopped = await place.untilAlloc("qemu", "complete", BOOT_MS_MAX);
      expect(await place.logs(alloc.ID, "guest")).toContain("the power button was pressed");
      expect(stopped.TaskStates.guest.Events.map((event: { ExitCode: number; Type: string }) => `${event.Type} ${event.ExitCode}`)).toContain(
        "Terminated 0",
      );
      expect(pidsWith(`EDGECTL_TASK_TOKEN=${alloc.ID}`)).toEqual([]);
    }),
  300_000,
);

testWith(
  ["root", "qemu-system"],
  "images outside the allowed folders, by links and by backing files too, and options that are not on the list are refused with what to do",
  () =>
    inPlace(async (place) => {
      mkdirSync(place.path("images"));
      writeFileSync(place.path("images/boot.img"), bootSector("echo here; exit 0"));
      writeFileSync(place.path("secret.img"), "the host's own");
      writeFileSync(place.path("images/layer.qcow2"), qcow2(place.path("secret.img")));
      const flags = ["--client.qemu.image-paths", place.path("images"), "--client.raw-exec=false"];
      await place.start({ flags });
      await until("qemu is found", () => place.ok("node", "status", "-self").includes("qemu"));
      const job = (id: string, config: string) => driverJob(id, "qemu", config, "resources = { cpu = 100, memory = 32 }");
      const image = `image_path = "${place.path("images/boot.img")}"`;
      const refusals: readonly (readonly [string, string, string])[] = [
        ["outside", `image_path = "${place.path("secret.img")}"`, "client.qemu.image_paths"],
        ["layer", `image_path = "${place.path("images/layer.qcow2")}"`, "backing file"],
        ["nowhere", 'image_path = "local/disk.img"', "was not found on this node"],
        ["option", `${image}, args = ["-hdb", "/dev/sda"]`, "client.qemu.args_allowlist"],
        ["emulator", `${image}, emulator = "/bin/sh"`, "does not allow"],
      ];
      for (const [id, config] of refusals) place.run(job(id, config), "--detach");
      for (const [id, , words] of refusals) {
        const alloc = await place.untilAlloc(id, "failed");
        expect(JSON.stringify(alloc.TaskStates.main.Events)).toContain(words);
      }
      expect(place.run(job("bad", 'image_path = "x", machine_type = "pc,dumpdtb=/etc/passwd"')).stderr).toContain("must be a name");
      place.run(job("good", image), "--detach");
      const good = await place.untilAlloc("good", "complete", BOOT_MS_MAX);
      expect(await place.logs(good.ID, "main")).toContain("here");
    }),
  120_000,
);

/** The head of a qcow2 file of version 2 that names another as its backing file. */
function qcow2(backing: string): Buffer {
  const head = Buffer.alloc(512);
  head.write("QFI\xfb", 0, "latin1");
  head.writeUInt32BE(2, 4);
  head.writeBigUInt64BE(200n, 8);
  head.writeUInt32BE(Buffer.byteLength(backing), 16);
  head.write(backing, 200);
  return head;
}
