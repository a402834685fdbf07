// Which ended allocations a node lets go of, files and all, so that its disk is not filled by what was. Pure.

export interface CollectSettings {
  /** Between two looks while there is something that could go. */
  readonly intervalMs: number;
  /** The newest so many of those that ended stay. */
  readonly allocsMax: number;
  /** Of the disk's bytes and inodes, in percent: above either, the oldest go until it is not. */
  readonly diskPercentMax: number;
  readonly inodePercentMax: number;
  /** 0 = however old they are. */
  readonly ageMsMax: number;
  /** Removed at a time: a card that writes slowly has other work. */
  readonly parallelMax: number;
}

export const COLLECT_DEFAULTS: CollectSettings = {
  intervalMs: 60_000,
  allocsMax: 50,
  diskPercentMax: 80,
  inodePercentMax: 70,
  ageMsMax: 0,
  parallelMax: 2,
};

export interface EndedAlloc {
  readonly id: string;
  readonly endedAtMs: number;
  /** Somebody reads it, waits for it, or was not told of it yet. */
  readonly isHeld: boolean;
}

export interface UsedPercent {
  readonly disk: number;
  readonly inodes: number;
}

export interface Collected {
  readonly id: string;
  /** For people. */
  readonly reason: string;
}

export interface CollectInput {
  readonly ended: readonly EndedAlloc[];
  /** Null where nobody can tell. */
  readonly used: UsedPercent | null;
  readonly nowMs: number;
}

/** The next ones to go, `parallelMax` at most, the oldest first; none when all is well. Asked again once they are gone. */
export function nextToCollect({ ended, used, nowMs }: CollectInput, settings: CollectSettings): readonly Collected[] {
  const free = ended.filter((alloc) => !alloc.isHeld).sort((a, b) => a.endedAtMs - b.endedAtMs || (a.id < b.id ? -1 : 1));
  const surplus = free.length - settings.allocsMax;
  const pressure = used === null ? null : pressureOf(used, settings);
  const isNearlyFull = used !== null && Math.max(used.disk, used.inodes) > NEARLY_FULL_PERCENT;
  const reasonOf = (alloc: EndedAlloc, at: number): string | null => {
    const ageMs = nowMs - alloc.endedAtMs;
    if (settings.ageMsMax > 0 && ageMs > settings.ageMsMax) return "it ended longer ago than gc_max_age";
    if (at < surplus) return `more than ${settings.allocsMax} have ended (gc_max_allocs)`;
    return pressure !== null && (isNearlyFull || ageMs > GRACE_MS) ? pressure : null;
  };
  return free
    .map((alloc, at) => ({ id: alloc.id, reason: reasonOf(alloc, at) }))
    .filter((one): one is Collected => one.reason !== null)
    .slice(0, Math.max(1, settings.parallelMax));
}

/** What is beyond its threshold, for people; null when nothing is. */
export function pressureOf(used: UsedPercent, settings: CollectSettings): string | null {
  if (used.disk > settings.diskPercentMax)
    return `the disk is ${used.disk.toFixed(1)} % full, above ${settings.diskPercentMax} % (gc_disk_usage_threshold)`;
  if (used.inodes > settings.inodePercentMax)
    return `${used.inodes.toFixed(1)} % of the disk's inodes are used, above ${settings.inodePercentMax} % (gc_inode_usage_threshold)`;
  return null;
}

// --- internal ---

/** What has just ended can be looked at for so long, unless the disk has next to nothing left. */
const GRACE_MS = 60_000;
const NEARLY_FULL_PERCENT = 95;
