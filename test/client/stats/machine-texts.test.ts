// The kernel's texts about a machine, as boards print them, and as nobody should.

import { describe, expect, test } from "bun:test";
import { parseCelsius, parseCpuTimes, parseDiskMounts, parseMemory, parseUptime } from "../../../internal/client/stats/machine-texts.ts";

const PI_STAT = `cpu  4705 150 1120 16250856 1214 0 84 0 0 0
cpu0 1000 50 500 4000 100 10 20 0 300 0
cpu1 2000 0 100 9000 0 0 0 0 0 0
intr 114930548 0 0
ctxt 1990473
btime 1062191376
`;

test("cores: guests are part of the user's time already, interrupts of the system's, waiting of the idle", () => {
  expect(parseCpuTimes(PI_STAT)).toEqual([
    { name: "cpu0", user: 1050, system: 530, idle: 4100, total: 5680 },
    { name: "cpu1", user: 2000, system: 100, idle: 9000, total: 11_100 },
  ]);
});

test.each([
  ["nothing", ""],
  ["a torn line", "cpu0 12 x 4"],
  ["the sum alone", "cpu  1 2 3 4"],
  ["an error page", "<html>cpu0</html>"],
])("cores: of %s there are none", (_, text) => {
  expect(parseCpuTimes(text)).toEqual([]);
});

const PI_MEMORY = "MemTotal:         442240 kB\nMemFree:           28000 kB\nMemAvailable:     300000 kB\nBuffers:   10000 kB\nCached:   50000 kB\n";
const KIB = 1024;

describe("memory", () => {
  test.each([
    ["a Pi Zero", PI_MEMORY, { total: 442_240 * KIB, available: 300_000 * KIB, free: 28_000 * KIB }],
    ["a kernel before 3.14", PI_MEMORY.replace(/MemAvailable.*\n/, ""), { total: 442_240 * KIB, available: 88_000 * KIB, free: 28_000 * KIB }],
    ["more available than there is", "MemTotal: 100 kB\nMemAvailable: 900 kB\n", { total: 100 * KIB, available: 100 * KIB, free: 0 }],
    ["nothing", "", { total: 0, available: 0, free: 0 }],
    ["no numbers", "MemTotal: lots kB\nMemFree: -4 kB\n", { total: 0, available: 0, free: 0 }],
  ])("%s", (_, text, want) => {
    expect(parseMemory(text)).toEqual(want);
  });
});

test("mounts: disks of this machine once each, neither the network's, nor the kernel's, nor images", () => {
  const text = [
    "/dev/root / ext4 rw,noatime 0 0",
    "devtmpfs /dev devtmpfs rw 0 0",
    "/dev/mmcblk0p1 /boot/firmware vfat rw 0 0",
    "/dev/sda1 /mnt/my\\040disk ext4 rw 0 0",
    "/dev/sda1 /var/lib/edgectl ext4 rw 0 0",
    "/dev/loop3 /snap/core/1 squashfs ro 0 0",
    "server:/export /mnt/nfs nfs4 rw 0 0",
    "tmpfs /run tmpfs rw 0 0",
    "/dev/torn",
    "",
  ].join("\n");
  expect(parseDiskMounts(text)).toEqual([
    { device: "/dev/root", mountpoint: "/" },
    { device: "/dev/mmcblk0p1", mountpoint: "/boot/firmware" },
    { device: "/dev/sda1", mountpoint: "/mnt/my disk" },
  ]);
  expect(parseDiskMounts("overlay / overlay rw,lowerdir=x 0 0\noverlay /x overlay rw 0 0\n")).toEqual([{ device: "overlay", mountpoint: "/" }]);
  const many = Array.from({ length: 500 }, (_, at) => `/dev/sd${at} /m${at} ext4 rw 0 0`).join("\n");
  expect(parseDiskMounts(many)).toHaveLength(64);
});

test.each([
  ["48312\n", 48.312],
  ["-5000", -5],
  ["0\n", 0],
  ["-273200\n", null],
  ["999999\n", null],
  ["", null],
  ["48.3", null],
  ["ENODATA", null],
  [null, null],
])("celsius: %j is %p", (text, want) => {
  expect(parseCelsius(text)).toBe(want);
});

test.each([
  ["93321.48 180000.1\n", 93_321],
  ["", 0],
  ["soon", 0],
])("uptime: %j is %p", (text, want) => {
  expect(parseUptime(text)).toBe(want);
});
