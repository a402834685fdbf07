// IP addresses and ranges of them, as numbers: no name is ever looked up.

export interface AddressRange {
  readonly bits: 32 | 128;
  readonly first: bigint;
  readonly prefix: number;
}

/** A range such as "10.0.0.0/8" or "fd00::/64"; null when the text is none. Bits behind the prefix do not matter. */
export function parseRange(text: string): AddressRange | null {
  const [, address = "", prefixText = ""] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(text) ?? [];
  const parsed = parseAddress(address);
  const prefix = Number(prefixText);
  if (parsed === null || prefixText === "" || prefix > parsed.bits) return null;
  return { bits: parsed.bits, prefix, first: parsed.value >> BigInt(parsed.bits - prefix) };
}

/** Whether the address, such as "10.1.2.3" or "::1", lies in the range. */
export function isInRange(address: string, range: AddressRange): boolean {
  const parsed = parseAddress(address);
  return parsed !== null && parsed.bits === range.bits && parsed.value >> BigInt(range.bits - range.prefix) === range.first;
}

// --- internal ---

interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

function parseAddress(text: string): Address | null {
  return text.includes(":") ? parseSix(text) : parseFour(text);
}

function parseFour(text: string): Address | null {
  const parts = text.split(".");
  if (parts.length !== 4 || parts.some((part) => !/^\d{1,3}$/.test(part) || Number(part) > 255)) return null;
  return { bits: 32, value: parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n) };
}

function parseSix(text: string): Address | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head = [], tail = []] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const parts = [...head, ...Array<string>(Math.max(missing, 0)).fill("0"), ...tail];
  if (parts.some((part) => !/^[0-9a-fA-F]{1,4}$/.test(part))) return null;
  return { bits: 128, value: parts.reduce((value, part) => (value << 16n) | BigInt(`0x${part}`), 0n) };
}
