// What a disk image is and what it draws in: a qcow2 file may name others of the host, which its machine could then read.

import { EdgeError } from "../../../domain/errors.ts";
import { join } from "../../../domain/paths.ts";
import type { Files } from "../../../runtime/runtime.ts";

export interface DiskImage {
  /** Links resolved. */
  readonly path: string;
  readonly format: "raw" | "qcow2";
}

/** The image, if it and all that it names lie in these folders. Throws `invalid` with what is wrong. */
export async function findImage(files: Files, path: string, folders: readonly string[], depth = 0): Promise<DiskImage> {
  const real = files.realPath(path);
  const what = depth === 0 ? "the image" : "the image's backing file";
  if (real === null || !files.stat(real)?.isFile) throw new EdgeError("invalid", `${what} "${path}" was not found on this node`);
  const allowed = folders.map((folder) => files.realPath(folder) ?? folder);
  if (!allowed.some((folder) => real.startsWith(`${folder}/`)))
    throw new EdgeError("invalid", `${what} "${real}" lies neither in the allocation's folders nor in one that this node allows`, {
      hint: "the operator may add its folder to client.qemu.image_paths",
    });
  const head = (await files.readAt(real, 0, HEAD_BYTES)) ?? new Uint8Array();
  const format = formatOf(head);
  if (format === null)
    throw new EdgeError("invalid", `${what} "${real}" is neither raw nor qcow2`, { hint: "qemu-img convert -O qcow2 makes one of it" });
  if (format === "raw") return { path: real, format };
  const backing = backingOf(head);
  if (backing === "outside") throw new EdgeError("invalid", `${what} "${real}" keeps its data in another file, which is not supported`);
  if (backing === null) return { path: real, format };
  if (depth === BACKING_DEPTH_MAX) throw new EdgeError("invalid", `${what} "${real}" has more than ${BACKING_DEPTH_MAX} backing files behind it`);
  if (/^[\w+.-]+:/.test(backing)) throw new EdgeError("invalid", `${what} "${real}" names "${backing}", which is no file`);
  await findImage(files, backing.startsWith("/") ? backing : join(real, "..", backing), folders, depth + 1);
  return { path: real, format };
}

// --- internal ---

const HEAD_BYTES = 65_536;
const BACKING_DEPTH_MAX = 8;
/** First bytes of formats that qemu would take, and that nobody checks here. */
const OTHERS = ["KDMV", "COWD", "vhdxfile", "conectix", "QED\0", "<<< ", "WithoutFreeSpace", "WithouFreSpacExt", "LUKS\xba\xbe"];

function formatOf(head: Uint8Array): DiskImage["format"] | null {
  const text = String.fromCharCode(...head.slice(0, 16));
  if (text.startsWith("QFI\xfb")) return view(head).getUint32(4) >= 2 ? "qcow2" : null;
  return OTHERS.some((magic) => text.startsWith(magic)) ? null : "raw";
}

/** Of a qcow2 file: the file behind it, null for none, or that its data lies outside. */
function backingOf(head: Uint8Array): string | "outside" | null {
  const header = view(head);
  if (head.length < 104) return "outside"; // cut off: qemu would refuse it anyway
  const EXTERNAL_DATA = 4n;
  if (header.getUint32(4) >= 3 && (header.getBigUint64(72) & EXTERNAL_DATA) !== 0n) return "outside";
  const [offset, length] = [header.getBigUint64(8), header.getUint32(16)];
  if (offset === 0n) return null;
  if (offset + BigInt(length) > BigInt(head.length)) return "outside";
  return new TextDecoder().decode(head.slice(Number(offset), Number(offset) + length));
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
