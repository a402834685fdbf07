// Whether a file is an executable for this machine, by its first bytes: a program of another kind of processor cannot be asked.

import { EdgeError } from "../../../internal/domain/errors.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";

/** Throws `invalid` with what it is instead. */
export async function checkArchitecture(runtime: Runtime, file: string): Promise<void> {
  const head = (await runtime.files.readAt(file, 0, HEAD_BYTES)) ?? new Uint8Array();
  const found = architectureOf(head);
  if (found === null) {
    // A script is as good as a program: what it says when it is tried decides.
    if (head[0] === 0x23 && head[1] === 0x21) return;
    throw new EdgeError("invalid", `${file} is no executable`, { hint: "give the file edgectl-linux-ARCH of a release, unpacked" });
  }
  if (found !== runtime.architecture)
    throw new EdgeError("invalid", `${file} is for another processor: ${found}, and this machine is ${runtime.architecture}`, {
      hint: `take the one for ${runtime.architecture}`,
    });
}

/** As runtimes name it; null for what is no ELF executable. */
export function architectureOf(head: Uint8Array): string | null {
  if (head.length < HEAD_BYTES || MAGIC.some((byte, at) => head[at] !== byte)) return null;
  const isLittle = head[5] === 1;
  const machine = new DataView(head.buffer, head.byteOffset).getUint16(18, isLittle);
  return MACHINES[machine] ?? `machine ${machine}`;
}

// --- internal ---

const HEAD_BYTES = 20;
const MAGIC = [0x7f, 0x45, 0x4c, 0x46];
const MACHINES: Readonly<Record<number, string>> = { 3: "ia32", 8: "mips", 40: "arm", 62: "x64", 183: "arm64", 243: "riscv64" };
