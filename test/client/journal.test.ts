// The node's journal on a disk that is full for a while: nothing throws, nothing is hidden behind a torn line, and what
// happened meanwhile is there in the end.

import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Journal } from "../../internal/client/journal.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A runtime whose disk takes so many more bytes, and whose timers are the test's to fire. */
function small(roomBytes: number) {
  const real = bunRuntime();
  const disk = { roomBytes };
  const due: (() => void)[] = [];
  const take = (bytes: number) => {
    if (bytes > disk.roomBytes) throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
    disk.roomBytes -= bytes;
  };
  const runtime: Runtime = {
    ...real,
    clock: {
      ...real.clock,
      after(_delayMs, call) {
        due.push(call);
        return { cancel: () => void due.splice(due.indexOf(call), 1) };
      },
    },
    files: {
      ...real.files,
      append(path) {
        const file = real.files.append(path);
        return {
          ...file,
          write(data) {
            const text = String(data);
            // What still fits is written, as a disk does it.
            if (text.length > disk.roomBytes) file.write(text.slice(0, disk.roomBytes));
            take(text.length);
            file.write(text);
          },
        };
      },
      writeAtomic(path, text, mode) {
        take(String(text).length);
        real.files.writeAtomic(path, text, mode);
      },
    },
  };
  return { runtime, disk, fire: () => due.splice(0).forEach((call) => void call()) };
}

function place(): { readonly path: string; readonly said: string[]; open(runtime: Runtime): Journal } {
  const folder = mkdtempSync(join(tmpdir(), "edgectl-journal-"));
  folders.push(folder);
  const said: string[] = [];
  const say = (message: string) => void said.push(message);
  const path = join(folder, "journal");
  return { path, said, open: (runtime) => new Journal(runtime, path, { debug: say, info: say, warn: say, error: say }) };
}

const boot = (id: string) => ({ k: "boot", id }) as const;

test("what a full disk does not take is kept, said once, and written once there is room", async () => {
  const { said, open } = place();
  const { runtime, disk, fire } = small(60);
  const journal = open(runtime);
  journal.append(boot("first"));
  journal.append(boot("second-that-does-not-fit-any-more"));
  journal.append(boot("third"));
  expect(journal.state.bootId).toBe("third");
  expect(said).toEqual(["the node's journal cannot be written: what happens is kept in memory until it can"]);
  await expect(journal.synced()).rejects.toThrow("ENOSPC");
  // An agent that comes now finds what was written whole, and no torn end.
  expect(open(bunRuntime()).state.bootId).toBe("first");
  fire();
  expect(said).toHaveLength(1);
  disk.roomBytes = 10_000;
  fire();
  expect(said.at(-1)).toBe("the node's journal can be written again");
  await journal.synced();
  journal.append(boot("fourth"));
  journal.close();
  expect(open(bunRuntime()).state.bootId).toBe("fourth");
  expect(said).toHaveLength(2);
});

test("an agent that leaves while there is room again leaves it whole", () => {
  const { open } = place();
  const { runtime, disk } = small(60);
  const journal = open(runtime);
  journal.append(boot("first"));
  journal.append(boot("second-that-does-not-fit-any-more"));
  disk.roomBytes = 10_000;
  journal.close();
  expect(open(bunRuntime()).state.bootId).toBe("second-that-does-not-fit-any-more");
});

test("a torn end is cut where it begins, counted in bytes", () => {
  const { path, said, open } = place();
  const journal = open(bunRuntime());
  journal.append(boot("Grüße"));
  journal.close();
  const whole = bunRuntime().files.readText(path) ?? "";
  writeFileSync(path, `${whole}12345678 {"k":`);
  const again = open(bunRuntime());
  again.append(boot("späť"));
  again.close();
  expect(said.join()).toContain("torn line");
  expect(open(bunRuntime()).state.bootId).toBe("späť");
});
