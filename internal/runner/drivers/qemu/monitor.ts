// A word with a running emulator over its monitor socket.

import type { Clock } from "../../../runtime/runtime.ts";
import { openStream } from "../../../runtime/stream-socket.ts";

/** Resolves once the emulator took the command. Rejects when there is nobody, or no answer in time. */
export async function pressPowerButton(path: string, clock: Clock): Promise<void> {
  const control = new AbortController();
  const timer = clock.after(MONITOR_MS_MAX, () => control.abort(), { keepsAlive: false });
  const socket = await openStream({ path }, control.signal);
  try {
    await new Promise<void>((resolve, reject) => {
      let said = "";
      const late = () => reject(new Error("the monitor does not answer"));
      control.signal.addEventListener("abort", late, { once: true });
      socket.on("error", reject);
      socket.on("close", () => resolve());
      socket.on("data", (data: Uint8Array) => {
        const before = prompts(said);
        said = (said + new TextDecoder().decode(data)).slice(-SAID_CHARS_MAX);
        if (before === 0 && prompts(said) > 0) socket.write("system_powerdown\n");
        // The next prompt comes when the command was carried out.
        else if (/system_powerdown[\s\S]*\(qemu\) $/.test(said)) resolve();
      });
    });
  } finally {
    timer.cancel();
    socket.destroy();
  }
}

// --- internal ---

const MONITOR_MS_MAX = 5000;
const SAID_CHARS_MAX = 4096;

function prompts(text: string): number {
  return text.split("(qemu) ").length - 1;
}
