// What a machine makes of its settings: addresses matched, devices looked for, cores kept; what is missing is a condition.

import { expect, test } from "bun:test";
import { addressesOf } from "../../internal/client/fingerprint/networks.ts";
import { NO_OFFERS, type NodeOffers, readOffers } from "../../internal/client/fingerprint/offers.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";

const TRIE = ["127.0.0.1", "10.1.0.5", "172.17.0.1", "10.1.200.9"].map((address) => `  |-- ${address}\n     /32 host LOCAL\n`).join("");
const ROUTES = [
  "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT",
  "eth0\t00000000\t0100010A\t0003\t0\t0\t0\t00000000\t0\t0\t0",
  "eth0\t0000010A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0",
  "eth9\t00C8010A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
  "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0",
].join("\n");
const SIX = [
  "00000000000000000000000000000001 01 80 10 80       lo",
  "fe8000000000000000fc00fffe000001 04 40 20 80     eth0",
  "fd000000000000010000000000000002 04 40 00 82     eth0",
].join("\n");

function machine(files: Readonly<Record<string, string>>, present: readonly string[] = []): Runtime {
  const real = bunRuntime();
  const stat = (path: string) => (present.includes(path) ? real.files.stat("/") : null);
  return { ...real, files: { ...real.files, readText: (path) => files[path] ?? null, stat } };
}

const NETWORKED = machine({ "/proc/net/fib_trie": TRIE, "/proc/net/route": ROUTES, "/proc/net/if_inet6": SIX });
const CPU = { totalMHz: 4000, cores: 4, coreIds: [0, 1, 2, 3] };
const read = (own: Partial<NodeOffers>, runtime = NETWORKED, cpu = CPU) => readOffers(runtime, { ...NO_OFFERS, ...own }, cpu);

test("addresses come with the interface of the narrowest network they are in, link-local ones left out", () => {
  expect(addressesOf(NETWORKED.files)).toEqual([
    { address: "127.0.0.1", interface: "lo" },
    { address: "10.1.0.5", interface: "eth0" },
    { address: "172.17.0.1", interface: "docker0" },
    { address: "10.1.200.9", interface: "eth9" },
    { address: "::1", interface: "lo" },
    { address: "fd00:0:0:1::2", interface: "eth0" },
  ]);
  expect(addressesOf(machine({}).files)).toEqual([]);
});

const network = (cidr: string, device = "") => ({ cidr, interface: device, reservedPorts: [22] });

/** [cidr, interface, the address it is] */
const MATCHES = [
  ["10.0.0.0/8", "", "10.1.0.5"],
  ["10.0.0.0/8", "eth9", "10.1.200.9"],
  ["", "docker0", "172.17.0.1"],
  ["127.0.0.0/8", "", "127.0.0.1"],
  ["fd00::/16", "", "fd00:0:0:1::2"],
  ["192.168.0.0/16", "", null],
  ["10.0.0.0/8", "docker0", null],
] as const;

for (const [cidr, device, want] of MATCHES) {
  test(`a host network of ${cidr || "any address"} on ${device || "any interface"} is ${want ?? "missing, and said to be"}`, () => {
    const { hostNetworks, conditions } = read({ hostNetworks: { lan: network(cidr, device) } });
    expect(hostNetworks.lan?.address ?? null).toBe(want);
    expect(conditions.map((condition) => condition.name)).toEqual(want === null ? ["host-network-missing:lan"] : []);
    if (want !== null) expect(hostNetworks.lan?.reservedPorts).toEqual([22]);
  });
}

test("a device with a path is there while its file is; one without always", () => {
  const kind = { vendor: "acme", type: "camera", attributes: {} };
  const devices = [
    { ...kind, name: "a", ids: ["/dev/video0", "/dev/video1"], hasPaths: true },
    { ...kind, name: "b", ids: ["x"], hasPaths: false },
  ];
  const found = read({ devices }, machine({}, ["/dev/video0"]));
  expect(found.devices.map((group) => group.devices)).toEqual([
    [
      { id: "/dev/video0", healthy: true },
      { id: "/dev/video1", healthy: false },
    ],
    [{ id: "x", healthy: true }],
  ]);
  expect(found.conditions.map(({ message }) => message)).toEqual(["the device /dev/video1 is not there: no task is given it"]);
});

const kept = (cores: readonly number[], cpuMHz = 0) => ({ reserved: { ...NO_OFFERS.reserved, cores, cpuMHz } });

test("cores that the node keeps are left out and count as MHz, or as more where more is kept", () => {
  expect(read({})).toMatchObject({ reserved: { cpuMHz: 0 } });
  expect(read({}).coreIds).toBeUndefined();
  expect(read(kept([0, 2]))).toMatchObject({ coreIds: [1, 3], reserved: { cpuMHz: 2000 } });
  expect(read(kept([0], 1500))).toMatchObject({ coreIds: [1, 2, 3], reserved: { cpuMHz: 1500 } });
  expect(read(kept([]), NETWORKED, { totalMHz: 3000, cores: 3, coreIds: [0, 1, 5] }).coreIds).toEqual([0, 1, 5]);
});

test("cores that are not there are said to be missing", () => {
  const { coreIds, conditions } = read(kept([3, 7]));
  expect(coreIds).toEqual([0, 1, 2]);
  expect(conditions[0]?.message).toContain("not there: 7");
});
