// The kernel's texts about the machine, to values. Pure: what is missing, torn or of another kernel gives less, never an error.

export interface CpuTimes {
  /** `cpu0`, ... */
  readonly name: string;
  /** In the kernel's own ticks since the start. */
  readonly user: number;
  readonly system: number;
  readonly idle: number;
  readonly total: number;
}

export interface MemoryBytes {
  readonly total: number;
  readonly available: number;
  readonly free: number;
}

export interface Mount {
  readonly device: string;
  readonly mountpoint: string;
}

/** Of /proc/stat, each core by itself. */
export function parseCpuTimes(text: string): readonly CpuTimes[] {
  return [...text.matchAll(/^(cpu\d+)((?: +\d+)+) *$/gm)].slice(0, CORES_MAX).map(([, name = "", fields = ""]) => {
    // What guests use (the last two) is part of user and nice already.
    const times = fields.trim().split(/ +/).slice(0, 8).map(Number);
    const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, interrupt = 0, softInterrupt = 0] = times;
    return {
      name,
      user: user + nice,
      system: system + interrupt + softInterrupt,
      idle: idle + waiting,
      total: times.reduce((sum, value) => sum + value, 0),
    };
  });
}

/** Of /proc/meminfo. Kernels before 3.14 do not say what is available: what is free and what can be freed. */
export function parseMemory(text: string): MemoryBytes {
  const bytes = (name: string) => {
    const found = new RegExp(`^${name}:\\s+(\\d{1,15}) kB$`, "m").exec(text)?.[1];
    return found === undefined ? null : Number(found) * 1024;
  };
  const [total, free] = [bytes("MemTotal") ?? 0, bytes("MemFree") ?? 0];
  const available = bytes("MemAvailable") ?? free + (bytes("Buffers") ?? 0) + (bytes("Cached") ?? 0);
  return { total, available: Math.min(available, total), free };
}

/** Of /proc/mounts: the file systems on disks of this machine, each once, at the place where it was mounted first. */
export function parseDiskMounts(text: string): readonly Mount[] {
  const mounts = new Map<string, Mount>();
  for (const line of text.split("\n")) {
    const [device = "", mountpoint = "", type = ""] = line.split(" ").map(unescaped);
    // A server that does not answer would hold up whoever asks for its space, so none of the network is among them.
    const isDisk = /^\/dev\//.test(device) && mountpoint.startsWith("/") && type !== "squashfs";
    const isRoot = mountpoint === "/" && (type === "overlay" || type === "zfs");
    if ((isDisk || isRoot) && !mounts.has(device) && mounts.size < MOUNTS_MAX) mounts.set(device, { device, mountpoint });
  }
  return [...mounts.values()];
}

/** Seconds since the start, of /proc/uptime. */
export function parseUptime(text: string): number {
  const seconds = Number(/^\d{1,12}/.exec(text)?.[0] ?? 0);
  return Math.floor(seconds);
}

/** Degrees of a thousandth-degree text; null for what is no temperature, such as the -273 of a sensor that is not there. */
export function parseCelsius(text: string | null): number | null {
  if (text === null || !/^\s*-?\d{1,7}\s*$/.test(text)) return null;
  const celsius = Number(text) / 1000;
  return celsius > -100 && celsius < 300 ? celsius : null;
}

// --- internal ---

const CORES_MAX = 1024;
const MOUNTS_MAX = 64;

/** Spaces and the like stand there as `\040`. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
