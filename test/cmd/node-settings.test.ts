// What a node offers and keeps, from a config file, flags and variables; what is wrong is refused with its place.

import { describe, expect, test } from "bun:test";
import { readAgentConfig } from "../../cmd/edgectl/agent/config.ts";
import { NO_OFFERS, type NodeOffers } from "../../internal/client/fingerprint/offers.ts";
import { EdgeError } from "../../internal/domain/errors.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";

const FOLDERS = ["/srv/data", "/srv/maps"];

function read(file: string, flags: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<NodeOffers> {
  const real = bunRuntime();
  const runtime = {
    ...real,
    host: { ...real.host, env },
    files: {
      ...real.files,
      readText: (path: string) => (path === "agent.toml" ? file : null),
      list: (path: string) => (FOLDERS.includes(path) ? [] : null),
    },
  };
  return readAgentConfig(runtime, ["--config", "agent.toml", ...flags]).then((config) => config.offers);
}

/** [what is said, file, flags, variables, what comes of it] */
const GOOD: readonly (readonly [string, string, readonly string[], Readonly<Record<string, string>>, Partial<NodeOffers>])[] = [
  ["nothing", "", [], {}, {}],
  [
    "volumes as tables, short texts and a flag",
    '[client.host_volume]\nmaps = "/srv/maps:ro"\n[client.host_volume.data]\npath = "/srv/data"\n',
    ["--host-volume", "more=/srv/data:ro"],
    {},
    {
      hostVolumes: {
        data: { path: "/srv/data", readOnly: false },
        maps: { path: "/srv/maps", readOnly: true },
        more: { path: "/srv/data", readOnly: true },
      },
    },
  ],
  [
    "a volume for reading alone",
    '[client.host_volume.data]\npath = "/srv/data"\nread_only = true\n',
    [],
    {},
    { hostVolumes: { data: { path: "/srv/data", readOnly: true } } },
  ],
  [
    "host networks",
    '[client.host_network]\nwan = "eth1"\n[client.host_network.lan]\ncidr = "10.0.0.0/8"\ninterface = "eth0"\nreserved_ports = "22,8000-8002"\n',
    [],
    { EDGECTL_CLIENT_HOST_NETWORK: "six=fd00::/64" },
    {
      hostNetworks: {
        wan: { cidr: "", interface: "eth1", reservedPorts: [] },
        lan: { cidr: "10.0.0.0/8", interface: "eth0", reservedPorts: [22, 8000, 8001, 8002] },
        six: { cidr: "fd00::/64", interface: "", reservedPorts: [] },
      },
    },
  ],
  [
    "devices named by their table",
    '[client.device."nvidia/gpu/k80"]\nids = ["GPU-1", "GPU-2"]\nattributes = { memory = "11 GiB", cores = 3584, ecc = true }\n',
    [],
    {},
    {
      devices: [
        {
          vendor: "nvidia",
          type: "gpu",
          name: "k80",
          ids: ["GPU-1", "GPU-2"],
          hasPaths: false,
          attributes: { memory: "11 GiB", cores: "3584", ecc: "true" },
        },
      ],
    },
  ],
  [
    "devices with their names inside, by path",
    '[client.device.cams]\nvendor = "acme"\ntype = "camera"\nname = "c920"\npaths = ["/dev/video0"]\n',
    [],
    {},
    { devices: [{ vendor: "acme", type: "camera", name: "c920", ids: ["/dev/video0"], hasPaths: true, attributes: {} }] },
  ],
  [
    "devices by flag",
    "",
    ["--device", "google/tpu/edge=t0|t1"],
    {},
    { devices: [{ vendor: "google", type: "tpu", name: "edge", ids: ["t0", "t1"], hasPaths: false, attributes: {} }] },
  ],
  [
    "what the node keeps",
    '[client.reserved]\ncpu = 500\ncores = "0,2-3"\nmemory = 256\ndisk = 1024\nreserved_ports = "22"\n',
    [],
    {},
    { reserved: { cpuMHz: 500, memoryMiB: 256, diskMiB: 1024, ports: [22], cores: [0, 2, 3] } },
  ],
  ["a range of dynamic ports", "[client]\nmin_dynamic_port = 30000\nmax_dynamic_port = 30010\n", [], {}, { portMin: 30_000, portMax: 30_010 }],
];

describe("a node says", () => {
  for (const [name, file, flags, env, want] of GOOD) {
    test(name, async () => {
      expect(await read(file, flags, env)).toEqual({ ...NO_OFFERS, ...want });
    });
  }
});

/** [what is wrong, file, flags, part of the message] */
const BAD: readonly (readonly [string, string, readonly string[], string])[] = [
  ["a volume that is not there", '[client.host_volume.x]\npath = "/srv/none"\n', [], "client.host_volume.x.path: there is no folder /srv/none"],
  ["a volume of half a path", '[client.host_volume.x]\npath = "srv"\n', [], 'must be the whole path of a folder, is "srv"'],
  ["a volume of a path that climbs", '[client.host_volume.x]\npath = "/srv/../etc"\n', [], "must be the whole path"],
  ["a volume without a path", "[client.host_volume.x]\nread_only = true\n", [], "must be the whole path"],
  [
    "a volume with an unknown key",
    '[client.host_volume.x]\npath = "/srv/data"\nreadonly = true\n',
    [],
    'client.host_volume.x: unknown key "readonly"',
  ],
  [
    "a volume half read-only",
    '[client.host_volume.x]\npath = "/srv/data"\nread_only = "yes"\n',
    [],
    "client.host_volume.x.read_only: must be true or false",
  ],
  ["a volume with a blank name", '[client.host_volume."a b"]\npath = "/srv/data"\n', [], 'client.host_volume: "a b" is no name'],
  ["a volume that is a number", "[client.host_volume]\nx = 5\n", [], "client.host_volume.x: must be a table or a string"],
  ["a list of volumes", '[[client.host_volume]]\npath = "/srv/data"\n', [], "client.host_volume: must be tables by name"],
  ["a network of no addresses", "[client.host_network.x]\n", [], "client.host_network.x.cidr: say which addresses it has"],
  ["a network of a wrong range", "", ["--host-network", "x=10.0.0.0/33"], '"10.0.0.0/33" is no range of addresses'],
  [
    "a network with wrong ports",
    '[client.host_network.x]\ncidr = "::/0"\nreserved_ports = "80-70"\n',
    [],
    'reserved_ports: "80-70" is no set of numbers',
  ],
  ["a device without vendor", '[client.device.x]\ntype = "gpu"\nname = "k80"\nids = ["a"]\n', [], "client.device.x.vendor: is missing"],
  ["a device without ids", '[client.device."a/b/c"]\n', [], "client.device.a/b/c.ids: give either ids or paths"],
  ["a device with both", '[client.device."a/b/c"]\nids = ["x"]\npaths = ["/dev/x"]\n', [], "give either ids or paths"],
  ["a device twice", '[client.device."a/b/c"]\nids = ["x", "x"]\n', [], "an id stands there twice"],
  ["a device id with a comma", '[client.device."a/b/c"]\nids = ["x,y"]\n', [], '"x,y" is no id of a device'],
  ["a device at half a path", '[client.device."a/b/c"]\npaths = ["video0"]\n', [], '"video0" is no whole path'],
  [
    "a kind of device twice",
    '[client.device."a/b/c"]\nids = ["x"]\n[client.device.y]\nvendor = "a"\ntype = "b"\nname = "c"\nids = ["z"]\n',
    [],
    "names the kind a/b/c twice",
  ],
  ["an attribute that is a list", '[client.device."a/b/c"]\nids = ["x"]\nattributes = { m = [1] }\n', [], "attributes.m: must be a string"],
  ["cores that are none", '[client.reserved]\ncores = "a-b"\n', [], 'client.reserved.cores: "a-b" is no set of numbers'],
  [
    "a range of ports upside down",
    "[client]\nmin_dynamic_port = 30000\nmax_dynamic_port = 20000\n",
    [],
    "the dynamic ports 30000 to 20000 are no range",
  ],
  ["an unknown kind of reservation", "[client.reserved]\ncpus = 5\n", [], 'unknown setting "client.reserved.cpus"'],
];

describe("an agent refuses", () => {
  for (const [name, file, flags, message] of BAD) {
    test(name, async () => {
      const error = await read(file, flags).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(EdgeError);
      expect((error as EdgeError).code).toBe("config");
      expect((error as EdgeError).message).toContain(message);
    });
  }
});

test("folders are named from the root, since tasks and helpers start elsewhere", async () => {
  const { host, ...rest } = bunRuntime();
  const flags = ["--data-dir", "./data", "--server.snapshot.dir", "kept"];
  const config = await readAgentConfig({ ...rest, host: { ...host, env: {} } }, flags);
  expect([config.dataDirectory, config.store]).toEqual([`${host.cwd}/data`, `sqlite:${host.cwd}/data/server/state.db`]);
  expect(config.snapshots).toMatchObject({ folder: `${host.cwd}/kept` });
});
