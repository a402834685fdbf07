// A machine that loses its power, as far as an agent and its tasks can tell: everything ends at once, nobody sees another's end, and the
// next start has another boot id.

import { type Place, pidsNaming, pidsWith, until } from "./place.ts";

/** What an agent is started through to be in its Nth boot; its tasks are in it, too. Needs root. */
export function bootWrapper(place: Place, boot: number): readonly string[] {
  const id = place.write(`boot-${boot}`, `00000000-0000-4000-8000-${String(boot).padStart(12, "0")}\n`);
  return ["unshare", "--mount", "sh", "-c", `mount --bind ${id} /proc/sys/kernel/random/boot_id && exec "$@"`, "sh"];
}

/** Ends the newest agent and whatever it ran. */
export async function losePower(place: Place): Promise<void> {
  const folder = place.agent.dataDirectory;
  const left = () => [...pidsNaming(folder), ...pidsWith(`NOMAD_ALLOC_DIR=${folder}`)];
  await place.agent.kill();
  for (const signal of ["SIGSTOP", "SIGKILL"] as const) for (const pid of left()) process.kill(pid, signal);
  await until("all of it to end", () => left().length === 0);
}
