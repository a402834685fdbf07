// The smallest machine there is: one sector of 16-bit code that prints to the serial line, waits, and ends the emulator.
// Made from a few words of shell, as the drivers' contract writes its cases: `echo TEXT`, `sleep SECONDS`, `exit CODE`.

/** Needed on the command line for codes other than 0; those must be odd, as the device makes them. */
export const EXIT_DEVICE = ["-device", "isa-debug-exit,iobase=0xf4,iosize=1"];

/** Throws for what is none of these words. */
export function bootSector(script: string): Buffer {
  const code = script
    .split(/[;\n]/)
    .map((line) => line.trim().replace(/^exec /, ""))
    .filter((line) => line !== "")
    .map(assemble);
  // As a shell's script, it ends well at its end; what comes then must not be run.
  const all = Buffer.concat([ENABLE_INTERRUPTS, ...code, assemble("exit 0"), HALT]);
  if (all.length > 510) throw new Error(`"${script}" does not fit into one sector`);
  return Buffer.concat([all, Buffer.alloc(510 - all.length), Buffer.from([0x55, 0xaa])]);
}

// --- internal ---

const ENABLE_INTERRUPTS = Buffer.from([0xfb]); // sti
const HALT = Buffer.from([0xf4, 0xeb, 0xfd]); // hlt; jmp back
const SERIAL = [0xba, 0xf8, 0x03]; // mov dx, 0x3f8
const FOREVER_SECONDS = 100;

function assemble(line: string): Buffer {
  const [word = "", ...rest] = line.split(" ");
  const text = rest.join(" ");
  // A line of its own, whatever the firmware wrote before.
  if (word === "echo") return Buffer.from([...SERIAL, ...[...Buffer.from(`\n${text}\n`)].flatMap((char) => [0xb0, char, 0xee])]); // mov al, char; out dx, al
  if (word === "sleep" && Number(text) >= FOREVER_SECONDS) return HALT;
  if (word === "sleep") return pause(Math.round(Number(text) * 1_000_000));
  // The chip set's soft-off register, or the exit device, which ends with twice its value plus one.
  if (line === "exit 0") return Buffer.from([0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef]); // mov dx, 0x604; mov ax, 0x2000; out dx, ax
  if (word === "exit" && Number(text) % 2 === 1) return Buffer.from([0xb0, (Number(text) - 1) / 2, 0xe6, 0xf4]); // mov al, n; out 0xf4, al
  throw new Error(`a boot sector cannot "${line}"`);
}

/** BIOS: wait so many microseconds. */
function pause(us: number): Buffer {
  const bytes = Buffer.from([0xb4, 0x86, 0xb9, 0, 0, 0xba, 0, 0, 0xcd, 0x15]); // mov ah, 0x86; mov cx, high; mov dx, low; int 0x15
  bytes.writeUInt16LE(us >>> 16, 3);
  bytes.writeUInt16LE(us & 0xffff, 6);
  return bytes;
}
