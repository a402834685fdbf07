// What a qemu config may say, the command line it becomes, the options an operator lets through, and what images draw in.

import { expect, test } from "bun:test";
import type { JsonMap } from "../../internal/domain/job.ts";
import { qemuCommand, refusedArgument } from "../../internal/runner/drivers/qemu/command.ts";
import { qemuConfigOf, qemuConfigProblems } from "../../internal/runner/drivers/qemu/config.ts";
import { findImage } from "../../internal/runner/drivers/qemu/image.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";

/** [what, config, the words of each problem] */
const CONFIGS: readonly (readonly [string, JsonMap, readonly string[]])[] = [
  ["an image", { image_path: "local/a.img" }, []],
  [
    "all there is",
    {
      image_path: "a",
      emulator: "qemu-system-arm",
      machine_type: "virt-7.2",
      drive_interface: "virtio",
      accelerator: "tcg",
      graceful_shutdown: true,
      guest_agent: true,
      args: ["-smp", "2"],
      port_map: { web: "80" },
    },
    [],
  ],
  ["the ports as a list of maps", { image_path: "a", port_map: [{ web: 80 }] }, []],
  ["no image", {}, ["image_path"]],
  ["an unknown key", { image_path: "a", image: "b" }, ['no config key "image"']],
  ["a machine with more in it", { image_path: "a", machine_type: "pc,dumpdtb=/x" }, ["must be a name"]],
  ["another interface", { image_path: "a", drive_interface: "nvme,x=y" }, ["must be one of"]],
  ["another accelerator", { image_path: "a", accelerator: "hax" }, ["must be one of"]],
  ["a port that is none", { image_path: "a", port_map: { web: "0" } }, ["is no port"]],
  ["a port with a rule in it", { image_path: "a", port_map: { web: "80,hostfwd=tcp::22-:22" } }, ["is no port"]],
  ["args as a text", { image_path: "a", args: "-smp 2" }, ["list of strings"]],
  ["a machine that leaves its shim", { image_path: "a", args: ["--daemonize"] }, ["-daemonize is not supported"]],
  ["a truth that is none", { image_path: "a", graceful_shutdown: "maybe" }, ["true or false"]],
];

for (const [what, config, words] of CONFIGS)
  test(`qemu config: ${what}`, () => {
    const messages = qemuConfigProblems(config).map((problem) => problem.message);
    expect(messages.length).toBe(words.length);
    for (const [at, word] of words.entries()) expect(messages[at]).toContain(word);
  });

const command = (config: JsonMap, own: Partial<Parameters<typeof qemuCommand>[0]> = {}) =>
  qemuCommand({
    config: qemuConfigOf({ image_path: "x", ...config }),
    program: "/usr/bin/qemu-system-x86_64",
    name: "job.task",
    image: { path: "/i/a,b.img", format: "raw" },
    memoryMiB: 64,
    cores: 0,
    ports: [{ label: "web", value: 25_000, to: 0, hostAddress: "" } as never], // what the function reads of one
    drop: [],
    ...own,
  }).join(" ");

test("the command line: machine, memory, disk, serial line; monitor, agent and ports as asked; the job's own options last", () => {
  expect(command({})).toBe(
    "/usr/bin/qemu-system-x86_64 -machine type=pc,accel=tcg -name job.task -m 64M -drive file=/i/a,,b.img,if=ide,format=raw -nographic",
  );
  expect(command({ graceful_shutdown: true })).toContain("-monitor unix:qemu-monitor.sock,server=on,wait=off");
  expect(command({ guest_agent: true })).toContain("name=org.qemu.guest_agent.0");
  expect(command({ accelerator: "kvm" }, { cores: 2 })).toContain("-cpu host -smp 2");
  expect(command({ args: ["-smp", "4"] }, { drop: ["-runas", "nobody"] })).toEndWith("-runas nobody -smp 4");
  const forward = "-netdev user,id=user.0,hostfwd=tcp::25000-:80,hostfwd=udp::25000-:80 -device virtio-net,netdev=user.0";
  expect(command({ port_map: { web: "80" } })).toContain(forward);
  expect(() => command({ port_map: { db: "80" } })).toThrow('no port "db"');
});

/** [what, the job's options, the operator's list, what is refused] */
const ARGUMENTS: readonly (readonly [string, readonly string[], readonly string[] | null, string | null])[] = [
  ["no list lets all pass", ["-hdb", "/dev/sda"], null, null],
  ["an empty list lets none pass", ["-smp", "2"], [], "-smp"],
  ["no options need no list", [], [], null],
  ["one of the list, however it is written", ["--smp", "2"], ["-smp"], null],
  ["one that is not on it", ["-smp", "2", "-device", "usb-host"], ["-smp"], "-device"],
  ["a disk without an option", ["/dev/sda"], ["-smp"], "/dev/sda"],
  ["a disk behind an option's value", ["-smp", "2", "/dev/sda"], ["-smp"], "/dev/sda"],
  ["a disk behind an option that takes none", ["-snapshot", "/dev/sda"], ["-snapshot"], "/dev/sda"],
];

for (const [what, args, allowed, want] of ARGUMENTS) test(`qemu options: ${what}`, () => expect(refusedArgument(args, allowed)).toBe(want));

test("images: raw and qcow2 within the folders; nothing that lies or leads outside of them", async () => {
  const { files } = bunRuntime();
  const folder = files.temporaryDirectory("edgectl-images-");
  const write = (name: string, data: string | Uint8Array) => {
    files.makeDirectory(`${folder}/in/deep`);
    files.writeText(`${folder}/${name}`, data);
    return `${folder}/${name}`;
  };
  const header = (backing: string, version = 3, features = 0n) => {
    const head = Buffer.alloc(512);
    head.write("QFI\xfb", 0, "latin1");
    head.writeUInt32BE(version, 4);
    head.writeBigUInt64BE(backing === "" ? 0n : 200n, 8);
    head.writeUInt32BE(backing.length, 16);
    head.writeBigUInt64BE(features, 72);
    head.write(backing, 200);
    return head;
  };
  try {
    const find = (path: string) => findImage(files, path, [`${folder}/in`]);
    const message = (path: string) =>
      find(path).then(
        () => "found",
        (error: Error) => error.message,
      );
    const raw = write("in/raw.img", "boot");
    expect((await find(raw)).format).toBe("raw");
    expect((await find(write("in/empty.img", ""))).format).toBe("raw");
    expect((await find(write("in/own.qcow2", header("")))).format).toBe("qcow2");
    expect((await find(write("in/deep/layer.qcow2", header("../own.qcow2")))).format).toBe("qcow2");
    const outside = write("outside.img", "secret");
    files.symlink(outside, `${folder}/in/link.img`);
    for (const path of [outside, `${folder}/in/link.img`, `${folder}/in/../outside.img`]) expect(await message(path)).toContain("lies neither");
    expect(await message(write("in/leak.qcow2", header("/etc/passwd")))).toContain('backing file "/etc/passwd" lies neither');
    expect(await message(write("in/twice.qcow2", header("leak.qcow2")))).toContain("lies neither");
    expect(await message(write("in/self.qcow2", header("self.qcow2")))).toContain("more than 8 backing files");
    expect(await message(write("in/net.qcow2", header("nbd://10.0.0.1/x")))).toContain("which is no file");
    expect(await message(write("in/json.qcow2", header('json:{"file":"/etc/shadow"}')))).toContain("which is no file");
    expect(await message(write("in/data.qcow2", header("", 3, 4n)))).toContain("in another file");
    expect(await message(write("in/short.qcow2", header("").subarray(0, 50)))).toContain("in another file");
    expect(await message(write("in/v1.img", header("", 1)))).toContain("neither raw nor qcow2");
    expect(await message(write("in/a.vmdk", "KDMV...."))).toContain("neither raw nor qcow2");
    expect(await message(`${folder}/in/gone.img`)).toContain("was not found");
    expect(await message(`${folder}/in/deep`)).toContain("was not found");
  } finally {
    await files.removeTree(folder);
  }
});
