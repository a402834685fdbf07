// Devices of a node: which fit a request, which are free, and which a group is given. A request of 1 and more wants
// devices that nobody else uses; one below 1 is a share of a device, packed beside other shares.

import type { AllocatedDevice } from "../domain/alloc.ts";
import type { Device } from "../domain/job.ts";
import type { Node, NodeDeviceGroup } from "../domain/node.ts";
import { deviceSatisfies } from "./device-attribute.ts";

/** Thousandths of each device in use: whole numbers, so that shares taken and given back add up to nothing. */
export type DeviceUse = Map<string, number>;

const WHOLE = 1000;

export interface DeviceOffer {
  /** One for each request, in its order. */
  readonly devices: readonly AllocatedDevice[];
  /** Sum of the weights of the affinities that the given devices match, over the sum of all; null without affinities. */
  readonly affinity: number | null;
}

/** Whether the device is of the name asked for and passes the request's constraints; how many are free is not looked at. */
export function isDeviceFor(group: NodeDeviceGroup, request: Device): boolean {
  return hasName(group, request.name) && request.constraints.every(({ attribute, operator, value }) => compare(group, operator, attribute, value));
}

/** Whether the node, were it empty, has the devices: the field's "missing devices" where it has not. */
export function hasDevices(node: Node, requests: readonly Device[]): boolean {
  return requests.length === 0 || offerDevices(node, new Map(), requests) !== null;
}

/** Counts the devices of an alloc, `times` +1 or -1. */
export function countDevices(use: DeviceUse, devices: readonly AllocatedDevice[], times: 1 | -1): void {
  for (const device of devices) {
    for (const id of device.ids) {
      const key = instanceKey(device, id);
      const used = (use.get(key) ?? 0) + times * thousandths(device.share);
      if (used > 0) use.set(key, used);
      else use.delete(key);
    }
  }
}

/** What each request would be given of what is free, null when one of them cannot be met. */
export function offerDevices(node: Node, use: DeviceUse, requests: readonly Device[]): DeviceOffer | null {
  const groups = node.resources.devices ?? [];
  const taken = new Map(use);
  const given = new Map<number, AllocatedDevice>();
  let [matched, total] = [0, 0];
  for (const at of hardestFirst(groups, requests)) {
    const request = requests[at];
    if (!request) continue;
    const best = bestGroup(groups, taken, request);
    if (!best) return null;
    countDevices(taken, [best.device], 1);
    given.set(at, best.device);
    matched += best.matched;
    total += request.affinities.reduce((sum, affinity) => sum + Math.abs(affinity.weight), 0);
  }
  return { devices: requests.flatMap((_, at) => given.get(at) ?? []), affinity: total === 0 ? null : matched / total };
}

// --- internal ---

interface Choice {
  readonly device: AllocatedDevice;
  readonly matched: number;
}

/** Requests that few kinds of device can meet choose before the others, large ones before small ones. */
function hardestFirst(groups: readonly NodeDeviceGroup[], requests: readonly Device[]): readonly number[] {
  const ways = requests.map((request) => groups.filter((group) => isDeviceFor(group, request)).length);
  return requests
    .map((_, at) => at)
    .sort((a, b) => (ways[a] ?? 0) - (ways[b] ?? 0) || (requests[b]?.count ?? 0) - (requests[a]?.count ?? 0) || a - b);
}

/** The kind of device that matches the request's affinities best; of equal ones the first the node names. */
function bestGroup(groups: readonly NodeDeviceGroup[], taken: DeviceUse, request: Device): Choice | null {
  let best: Choice | null = null;
  for (const group of groups) {
    if (!isDeviceFor(group, request)) continue;
    const ids = freeIds(group, taken, request);
    if (ids === null) continue;
    const matched = request.affinities.reduce(
      (sum, { attribute, operator, value, weight }) => sum + (compare(group, operator, attribute, value) ? weight : 0),
      0,
    );
    if (best !== null && matched <= best.matched) continue;
    const { vendor, type, name } = group;
    best = { device: { vendor, type, name, ids, share: Math.min(request.count, 1) }, matched };
  }
  return best;
}

function freeIds(group: NodeDeviceGroup, taken: DeviceUse, request: Device): readonly string[] | null {
  const usable = group.devices
    .filter((device) => device.healthy && mayBeGiven(device.id, group, request))
    .map((device) => ({ id: device.id, used: taken.get(instanceKey(group, device.id)) ?? 0 }));
  if (request.count >= 1) {
    const free = usable.filter((device) => device.used === 0);
    return free.length < request.count ? null : free.slice(0, request.count).map((device) => device.id);
  }
  // The fullest that has room: whole devices stay whole for those who need one.
  const fitting = usable.filter((device) => device.used + thousandths(request.count) <= WHOLE);
  const fullest = fitting.reduce<(typeof fitting)[number] | undefined>(
    (best, device) => (best && best.used >= device.used ? best : device),
    undefined,
  );
  return fullest ? [fullest.id] : null;
}

/** A constraint on `${device.ids}` narrows down which of a kind's devices may be given. */
function mayBeGiven(id: string, group: NodeDeviceGroup, request: Device): boolean {
  return request.constraints.every(({ attribute, operator, value }) => {
    if (attribute === IDS) return deviceSatisfies(operator, resolve(value, group), id);
    return value === IDS ? deviceSatisfies(operator, resolve(attribute, group), id) : true;
  });
}

const IDS = "${device.ids}";

function compare(group: NodeDeviceGroup, operator: Device["constraints"][number]["operator"], left: string, right: string): boolean {
  return deviceSatisfies(operator, resolve(left, group), resolve(right, group));
}

function resolve(target: string, group: NodeDeviceGroup): string | undefined {
  if (!target.startsWith("${")) return target;
  const name = /^\$\{device\.([^{}]+)\}$/.exec(target)?.[1] ?? "";
  switch (name) {
    case "ids":
      return group.devices.map((device) => device.id).join(",");
    case "model":
      return group.name;
    case "vendor":
      return group.vendor;
    case "type":
      return group.type;
    default: {
      const key = name.startsWith("attr.") ? name.slice("attr.".length) : "";
      return Object.hasOwn(group.attributes, key) ? group.attributes[key] : undefined;
    }
  }
}

/** `type`, `vendor/type` or `vendor/type/name`; the name may hold slashes itself. */
function hasName(group: NodeDeviceGroup, asked: string): boolean {
  const [first = "", second, ...rest] = asked.split("/");
  if (second === undefined) return first === group.type;
  return first === group.vendor && second === group.type && (rest.length === 0 || rest.join("/") === group.name);
}

function instanceKey(group: { readonly vendor: string; readonly type: string; readonly name: string }, id: string): string {
  return `${group.vendor}/${group.type}/${group.name} ${id}`;
}

function thousandths(share: number): number {
  return Math.round(share * WHOLE);
}
