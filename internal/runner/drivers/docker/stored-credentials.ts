// Programs that know passwords of registries, as docker's own client asks them: `docker-credential-NAME get` is given a
// registry's name and answers with a user and a secret.

import { EdgeError, messageOf } from "../../../domain/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { parseObject } from "./engine-json.ts";

export interface Credentials {
  readonly username: string;
  /** A token of the registry's own, where the user is "<token>". */
  readonly secret: string;
}

/** Null where it knows nobody there. Throws EdgeError with what it said; never with a secret. */
export async function askHelper(runtime: Runtime, name: string, registry: string): Promise<Credentials | null> {
  const program = `docker-credential-${name}`;
  if (!/^[A-Za-z0-9][\w.-]{0,62}$/.test(name)) throw new EdgeError("config", `"${name.slice(0, 64)}" is no name of a credential helper`);
  const failed = (why: string) =>
    new EdgeError("permission-denied", `the credential helper ${program} ${why}`, { hint: "it is looked for on the agent's PATH" });
  const child = runtime.processes.open({ command: program, args: ["get"], env: environmentOf(runtime), cwd: "/" });
  let isLate = false;
  const timer = runtime.clock.after(
    ANSWER_MS_MAX,
    () => {
      isLate = true;
      if (child.pid > 0) runtime.processes.signal(-child.pid, "SIGKILL");
      child.dropOutput();
    },
    { keepsAlive: false },
  );
  try {
    const complaints = textOf(child.stderr);
    void child.write(new TextEncoder().encode(`${registry}\n`)).then(() => child.endInput());
    const text = await textOf(child.stdout);
    const code = await child.exited.catch((error) => {
      throw failed(`could not be started: ${messageOf(error)}`);
    });
    if (isLate) throw failed(`did not answer within ${ANSWER_MS_MAX / 1000} s`);
    // Their one way of saying so, on either stream.
    const said = `${text}${await complaints}`.trim();
    if (code !== 0 && /credentials not found/i.test(said)) return null;
    if (code !== 0) throw failed(`ended with ${code}: ${said.slice(0, SAID_CHARS_MAX) || "it said nothing"}`);
    const answer = parseObject(text);
    const [username, secret] = [answer.text("Username"), answer.text("Secret")];
    if (username === "" || secret === "") throw failed(`gave no Username and Secret for ${registry}`);
    return { username, secret };
  } finally {
    timer.cancel();
  }
}

// --- internal ---

const ANSWER_MS_MAX = 30_000;
const ANSWER_CHARS_MAX = 65_536;
const SAID_CHARS_MAX = 300;

/** The operator's own: helpers look for keys and settings there. */
function environmentOf(runtime: Runtime): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(runtime.host.env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
}

async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const piece of stream) if (text.length < ANSWER_CHARS_MAX) text += decoder.decode(piece, { stream: true });
  } catch {
    // Cut off with its program, whose end is told.
  }
  return text;
}
