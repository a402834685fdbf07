// A jar for tests without a compiler: one class file, assembled here, in a zip that stores it as it is.
// The class is this program, with what surrounds it in the class file format (major 52 = Java 8):
//
//     public class Spawn {
//       public static void main(String[] args) { System.exit(new ProcessBuilder(args).inheritIO().start().waitFor()); }
//     }

import { crc32 } from "node:zlib";

/** A program that runs its arguments as a command, in its own place as far as a JVM can, and ends as that did. */
export function spawnJar(): Buffer {
  const manifest = Buffer.from("Manifest-Version: 1.0\r\nMain-Class: Spawn\r\n\r\n");
  return zip([
    ["META-INF/MANIFEST.MF", manifest],
    ["Spawn.class", spawnClass()],
  ]);
}

export function spawnClass(): Buffer {
  const pool = new ConstantPool();
  const builder = "java/lang/ProcessBuilder";
  const code = Buffer.concat([
    op(0xbb, pool.class(builder)), // new
    Buffer.from([0x59, 0x2a]), // dup, aload_0
    op(0xb7, pool.method(builder, "<init>", "([Ljava/lang/String;)V")), // invokespecial
    op(0xb6, pool.method(builder, "inheritIO", `()L${builder};`)), // invokevirtual
    op(0xb6, pool.method(builder, "start", "()Ljava/lang/Process;")),
    op(0xb6, pool.method("java/lang/Process", "waitFor", "()I")),
    op(0xb8, pool.method("java/lang/System", "exit", "(I)V")), // invokestatic
    Buffer.from([0xb1]), // return
  ]);
  const [STACK, LOCALS, NO_TABLES] = [3, 1, 0];
  const body = Buffer.concat([u2(STACK), u2(LOCALS), u4(code.length), code, u2(NO_TABLES), u2(NO_TABLES)]);
  const main = Buffer.concat([
    u2(PUBLIC | STATIC),
    u2(pool.text("main")),
    u2(pool.text("([Ljava/lang/String;)V")),
    u2(1),
    u2(pool.text("Code")),
    u4(body.length),
    body,
  ]);
  const [self, above] = [pool.class("Spawn"), pool.class("java/lang/Object")];
  const [NO_INTERFACES, NO_FIELDS, NO_ATTRIBUTES] = [0, 0, 0];
  return Buffer.concat([
    u4(0xcafebabe),
    u2(0),
    u2(52),
    pool.bytes(),
    u2(PUBLIC | SUPER),
    u2(self),
    u2(above),
    u2(NO_INTERFACES),
    u2(NO_FIELDS),
    u2(1),
    main,
    u2(NO_ATTRIBUTES),
  ]);
}

// --- internal ---

const [PUBLIC, STATIC, SUPER] = [0x1, 0x8, 0x20];

/** Constants of a class, each once, numbered from 1. */
class ConstantPool {
  readonly #entries = new Map<string, { readonly index: number; readonly bytes: Buffer }>();

  text(value: string): number {
    const bytes = Buffer.from(value);
    return this.#add(Buffer.concat([Buffer.from([1]), u2(bytes.length), bytes]));
  }

  class(name: string): number {
    return this.#pair(7, this.text(name));
  }

  method(className: string, name: string, type: string): number {
    return this.#pair(10, this.class(className), this.#pair(12, this.text(name), this.text(type)));
  }

  bytes(): Buffer {
    return Buffer.concat([u2(this.#entries.size + 1), ...[...this.#entries.values()].map((entry) => entry.bytes)]);
  }

  #pair(tag: number, ...indexes: readonly number[]): number {
    return this.#add(Buffer.concat([Buffer.from([tag]), ...indexes.map(u2)]));
  }

  #add(bytes: Buffer): number {
    const key = bytes.toString("hex");
    const entry = this.#entries.get(key) ?? { index: this.#entries.size + 1, bytes };
    this.#entries.set(key, entry);
    return entry.index;
  }
}

function op(code: number, index: number): Buffer {
  return Buffer.concat([Buffer.from([code]), u2(index)]);
}

function u2(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u4(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Entries stored without compression: local headers with their bytes, the directory, its end. */
function zip(entries: readonly (readonly [string, Buffer])[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, data] of entries) {
    const common = Buffer.alloc(26);
    common.writeUInt16LE(10, 0); // version needed
    common.writeUInt16LE(0x21, 8); // date: 1980-01-01
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, Buffer.from(name), data]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02\x0a\x00"), common, rest, Buffer.from(name)]));
    parts.push(local);
    offset += local.length;
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(list.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, list, Buffer.from("PK\x05\x06"), end]);
}
