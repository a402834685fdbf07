// Whether an executable keeps what a driver promises: each promise is tried on the real thing, and what was seen is told.

import { EdgeError, messageOf } from "../../../domain/errors.ts";
import type { Json, JsonMap } from "../../../domain/job.ts";
import { LIMITS } from "../../../domain/limits.ts";
import { join } from "../../../domain/paths.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { type CgroupTree, findCgroups, groupMembers, killGroup, makeTaskGroups, removeGroups } from "../../cgroups.ts";
import { SAFE_PATH } from "../../sandbox/tools.ts";
import type { ExecRequest } from "../driver.ts";
import { COMMAND_PROMISES } from "./conformance-commands.ts";
import { volumeTrial } from "./conformance-volumes.ts";
import { readEntrance, startEntered } from "./entrance.ts";
import { DriverGone } from "./gone.ts";
import { Life } from "./life.ts";
import { type Introduction, isHandle, PROTOCOL, readExit, readFound, readIntroduction, readState } from "./protocol.ts";

export interface Tried {
  readonly promise: string;
  readonly outcome: "ok" | "failed" | "skipped";
  readonly seen: string;
}

export interface CheckInput {
  readonly runtime: Runtime;
  readonly path: string;
  /** A folder of the check's own. */
  readonly folder: string;
  /** Of a task that runs until it is told to end; null = a shell's, where the driver takes command and args. */
  readonly config: JsonMap | null;
  /** Of one that ends by itself, and its code. */
  readonly ending: { readonly config: JsonMap; readonly exitCode: number } | null;
  /** Words before a script, as the task's own shell; null = /bin/sh, where the driver takes command and args. */
  readonly shell: readonly string[] | null;
  readonly settings: JsonMap;
}

/** All promises in order; those behind one that nothing works without are skipped. */
export async function checkDriver(input: CheckInput): Promise<readonly Tried[]> {
  const check = new Check(input);
  try {
    await check.all();
  } catch (error) {
    check.results.push({ promise: "goes on to the end of this check", outcome: "failed", seen: messageOf(error) });
  } finally {
    await check.close();
  }
  return check.results;
}

// --- internal ---

const ENDED_MS_MAX = 15_000;

interface Started {
  readonly task: string;
  readonly handle: Json;
  readonly logs: { readonly stdout: string; readonly stderr: string };
  readonly groups: readonly string[];
  readonly control: string;
}

class Check {
  readonly results: Tried[] = [];
  readonly #input: CheckInput;
  readonly #name: string;
  #life: Life | null = null;
  #introduction: Introduction | null = null;
  #endings = 0;
  #tasks = 0;
  /** Tasks that run, with their groups. */
  readonly #open = new Map<string, readonly string[]>();
  readonly #cgroups: CgroupTree;
  /** In the names of its groups. */
  readonly #mark: string;

  constructor(input: CheckInput) {
    this.#input = input;
    this.#cgroups = findCgroups(input.runtime.files);
    this.#mark = `driver-check-${input.runtime.chance.secret(4)}`;
    this.#name = input.path.slice(input.path.lastIndexOf("/") + 1);
  }

  async all(): Promise<void> {
    if (!(await this.#try("is greeted: speaks the protocol and says which config keys it takes", () => this.#greet()))) return;
    if (!(await this.#try("says that it is healthy", () => this.#health()))) return;
    await this.#try("refuses a method that it does not know, and lives on", () => this.#unknownMethod());
    await this.#try("says of a task that it never saw that it is unknown", () => this.#neverSeen());
    const table = this.#introduction?.config ?? {};
    const takesShell = table.command?.type === "string" && table.args?.type === "list";
    const shell = (text: string): JsonMap | null => (takesShell ? { command: "/bin/sh", args: ["-c", text] } : null);
    const long = this.#input.config ?? shell("echo begun; exec sleep 1000");
    if (long === null) return this.#skip("starts, finds, waits for and ends tasks", "it takes no command and args: give a task by --config FILE");
    if (!(await this.#try("starts a task in its cgroups, gives a handle, and answers others while it waits", () => this.#startAndPing(long)))) return;
    await this.#try("ends a task that is asked to end, and tells so", () => this.#stopped(long, false));
    await this.#try("ends a task by force, and tells so", () => this.#stopped(long, true));
    await this.#try("finds a task by its name alone, as after a start whose answer nobody got", () => this.#byName(long));
    await this.#try("its tasks outlive its death, and are found by their handle", () => this.#outlives(long));
    await this.#try("leaves when its input ends, and its tasks stay", () => this.#leaves(long));
    const ending = this.#input.ending ?? (takesShell ? { config: shell("exit 3") as JsonMap, exitCode: 3 } : null);
    if (ending === null) this.#skip("tells the code of a task that ends by itself", "no such task was given: [ending] in the file of --config");
    else {
      await this.#try("tells the code of a task that ends by itself, and forgets it when told", () => this.#endsItself(ending));
      await this.#try("tells the code of a task that ended while it was dead", () => this.#endsUnseen(ending));
    }
    const speaking = shell("echo to-out; echo to-err >&2");
    if (speaking === null) this.#skip("writes the task's output to its files", "it takes no command and args");
    else await this.#try("writes the task's output to its files", () => this.#output(speaking));
    await this.#volumes(shell);
    await this.#commands(long, this.#input.shell ?? (takesShell ? ["/bin/sh", "-c"] : null));
  }

  async close(): Promise<void> {
    for (const [task, groups] of this.#open) {
      await this.#ask("stop", { task, handle: null, signal: "SIGKILL", force: true }).catch(() => undefined);
      await this.#removeGroups(groups);
    }
    this.#life?.end();
  }

  async #greet(): Promise<string> {
    const { version, config } = await this.#begin();
    return `version ${version || "of its own not said"}, config keys: ${Object.keys(config).join(", ") || "none"}`;
  }

  async #health(): Promise<string> {
    const state = readState(await this.#ask("fingerprint", {}));
    if (!state.healthy) throw new EdgeError("invalid", state.description);
    return state.description;
  }

  async #unknownMethod(): Promise<string> {
    const answer = await this.#ask("no-such-method", {}).then(
      () => "a result",
      (error: Error) => error,
    );
    if (answer instanceof DriverGone || typeof answer === "string")
      throw new EdgeError("invalid", typeof answer === "string" ? answer : answer.message);
    await this.#ask("ping", {});
    return `the error "${answer.message}"`;
  }

  async #neverSeen(): Promise<string> {
    const found = readFound(await this.#ask("recover", { task: "check/never/1", handle: null }));
    if (found.state !== "unknown") throw new EdgeError("invalid", `it says "${found.state}"`);
    return "unknown";
  }

  async #startAndPing(config: JsonMap): Promise<string> {
    const { task, handle, groups } = await this.#start(config);
    if (groups.length > 0 && groupMembers(this.#input.runtime.files, groups).length === 0)
      throw new EdgeError("invalid", "no process of the task is in the cgroups that it was given");
    const waiting = this.#ask("wait", { task, handle }, ENDED_MS_MAX * 2).catch(() => ({}) as JsonMap);
    let isEarly = false;
    void waiting.then(() => {
      isEarly = true;
    });
    await this.#ask("ping", {});
    await this.#input.runtime.clock.sleep(200);
    if (isEarly) throw new EdgeError("invalid", "the task ended at once, or wait was answered before its end");
    await this.#ask("stop", { task, handle, signal: "SIGKILL", force: true }, LIMITS.driverWorkMsMax);
    await waiting;
    await this.#removeGroups(groups);
    this.#open.delete(task);
    return `handle ${JSON.stringify(handle)}`.slice(0, 120);
  }

  async #stopped(config: JsonMap, force: boolean): Promise<string> {
    const { task, handle } = await this.#start(config);
    const signal = force ? "SIGKILL" : (this.#introduction?.stopSignal ?? "SIGTERM");
    await this.#ask("stop", { task, handle, signal, force }, LIMITS.driverWorkMsMax);
    const exit = await this.#exitOf(task, handle);
    return `exit code ${exit.code ?? "unknown"}, signal ${exit.signal}`;
  }

  async #byName(config: JsonMap): Promise<string> {
    const { task } = await this.#start(config);
    const found = readFound(await this.#ask("recover", { task, handle: null }));
    if (found.state !== "running") throw new EdgeError("invalid", `it says "${found.state}" of a task that runs`);
    await this.#end(task, found.handle);
    return "running";
  }

  async #outlives(config: JsonMap): Promise<string> {
    const { task, handle } = await this.#start(config);
    await this.#life?.giveUp("killed by this check").catch(() => undefined);
    await this.#begin();
    const found = readFound(await this.#ask("recover", { task, handle }));
    if (found.state !== "running") throw new EdgeError("invalid", `after kill -9 of the driver it says "${found.state}" of a task that should run`);
    await this.#end(task, found.handle);
    return "running after kill -9 of the driver";
  }

  async #leaves(config: JsonMap): Promise<string> {
    const { task, handle } = await this.#start(config);
    const before = this.#endings;
    this.#life?.end();
    const { clock } = this.#input.runtime;
    const deadlineMs = clock.monotonicMs() + LEAVE_MS_MAX;
    while (this.#endings === before && clock.monotonicMs() < deadlineMs) await clock.sleep(20);
    if (this.#endings === before) throw new EdgeError("invalid", `it still ran ${LEAVE_MS_MAX / 1000} s after its input had ended`);
    await this.#begin();
    const found = readFound(await this.#ask("recover", { task, handle }));
    if (found.state !== "running") throw new EdgeError("invalid", `afterwards it says "${found.state}" of a task that should run`);
    await this.#end(task, found.handle);
    return "it left, and its task stayed";
  }

  async #endsItself({ config, exitCode }: NonNullable<CheckInput["ending"]>): Promise<string> {
    const { task, handle } = await this.#start(config);
    const exit = await this.#exitOf(task, handle);
    if (exit.code !== exitCode) throw new EdgeError("invalid", `exit code ${exit.code ?? "unknown"} instead of ${exitCode}`);
    await this.#ask("forget", { task, handle });
    const found = readFound(await this.#ask("recover", { task, handle: null }));
    if (found.state !== "unknown") throw new EdgeError("invalid", `after forget it still says "${found.state}"`);
    return `exit code ${exit.code}`;
  }

  async #endsUnseen({ config, exitCode }: NonNullable<CheckInput["ending"]>): Promise<string> {
    const { task, handle } = await this.#start(config);
    await this.#life?.giveUp("killed by this check").catch(() => undefined);
    await this.#begin();
    const exit = await this.#exitOf(task, handle);
    if (exit.code !== exitCode) throw new EdgeError("invalid", `exit code ${exit.code ?? "unknown"} instead of ${exitCode}`);
    return `exit code ${exit.code}`;
  }

  async #output(config: JsonMap): Promise<string> {
    const { task, handle, logs } = await this.#start(config);
    await this.#exitOf(task, handle);
    const { files } = this.#input.runtime;
    const [out, err] = [files.readText(logs.stdout) ?? "", files.readText(logs.stderr) ?? ""];
    if (out !== "to-out\n" || err !== "to-err\n")
      throw new EdgeError("invalid", `stdout holds ${JSON.stringify(out)}, stderr ${JSON.stringify(err)}`);
    return "standard output and error, each to its own";
  }

  async #volumes(shell: (text: string) => JsonMap | null): Promise<void> {
    const promise = "gives its tasks volumes, to write or to read alone, and leaves nothing mounted";
    const { files } = this.#input.runtime;
    const trial = volumeTrial(files, this.#input.folder);
    const config = shell(trial.script);
    if (this.#introduction?.abilities.includes("volumes") !== true) this.#skip(promise, 'it does not say "volumes" among its abilities');
    else if (config === null) this.#skip(promise, "it takes no command and args");
    else
      await this.#try(promise, async () => {
        const { task, handle, logs } = await this.#start(config, trial.volumes);
        const { code } = await this.#exitOf(task, handle);
        return trial.judge(code, files.readText(logs.stderr) ?? "");
      });
  }

  /** All in one task, the last of them in a later life of the driver. */
  async #commands(config: JsonMap, shell: readonly string[] | null): Promise<void> {
    const all = "runs commands in its tasks";
    if (this.#introduction?.abilities.includes("exec") !== true) return this.#skip(all, 'it does not say "exec" among its abilities');
    if (shell === null) return this.#skip(all, 'it takes no command and args: give the words of a shell in its task by [exec] shell = ["sh", "-c"]');
    const started = await this.#start(config);
    const trial = { runtime: this.#input.runtime, shell, exec: (request: ExecRequest) => this.#enter(started, request) };
    for (const [promise, work] of COMMAND_PROMISES) await this.#try(promise, () => work(trial));
    await this.#try("runs commands in a task of an earlier life, which ran on meanwhile", async () => {
      await this.#life?.giveUp("killed by this check").catch(() => undefined);
      await this.#begin();
      const found = readFound(await this.#ask("recover", { task: started.task, handle: started.handle }));
      if (found.state !== "running") throw new EdgeError("invalid", `it says "${found.state}" of the task`);
      const session = await this.#enter({ ...started, handle: found.handle }, { command: [...shell, "exit 6"], terminal: null });
      const code = await session.exitCode();
      if (code !== 6) throw new EdgeError("invalid", `exit code ${code} instead of 6`);
      await this.#end(started.task, found.handle);
      return "exit code 6";
    });
  }

  async #enter({ task, handle, control, groups }: Started, request: ExecRequest) {
    const { runtime, folder } = this.#input;
    const answer = await this.#ask("exec", { task, handle, command: [...request.command], terminal: request.terminal !== null });
    const entrance = readEntrance(answer);
    if (typeof entrance === "string") throw new EdgeError("invalid", `in its answer ${entrance}`);
    return startEntered({ runtime, cgroups: this.#cgroups, directory: folder }, { control, token: task, groups }, entrance, request);
  }

  // --- steps ---

  async #try(promise: string, work: () => Promise<string>): Promise<boolean> {
    try {
      if (this.#life === null && this.#introduction !== null) await this.#begin();
      this.results.push({ promise, outcome: "ok", seen: await work() });
      return true;
    } catch (error) {
      const isLack = error instanceof EdgeError && error.code === "unsupported";
      this.results.push({ promise, outcome: isLack ? "skipped" : "failed", seen: messageOf(error) });
      return false;
    }
  }

  #skip(promise: string, seen: string): void {
    this.results.push({ promise, outcome: "skipped", seen });
  }

  async #begin(): Promise<Introduction> {
    const { runtime, path, folder, settings } = this.#input;
    const data = join(folder, "data");
    runtime.files.makeDirectory(data, 0o700);
    const life = new Life({
      runtime,
      path,
      env: { PATH: SAFE_PATH, LANG: "C.UTF-8", HOME: "/" },
      folder: data,
      event: () => undefined,
      log: () => undefined,
      ended: () => {
        this.#endings += 1;
        if (this.#life === life) this.#life = null;
      },
    });
    this.#life = life;
    const hello = { protocol: [PROTOCOL], agent: "edgectl driver check", driver: this.#name, data, node: { id: "check", name: "check" }, settings };
    const introduction = readIntroduction(await life.ask("hello", hello, LIMITS.driverAnswerMsMax));
    if (typeof introduction === "string") throw new EdgeError("invalid", introduction);
    this.#introduction = introduction;
    return introduction;
  }

  #ask(method: string, params: JsonMap, timeoutMs: number = LIMITS.driverAnswerMsMax): Promise<JsonMap> {
    return this.#life === null ? Promise.reject(new DriverGone("it does not run any more")) : this.#life.ask(method, params, timeoutMs);
  }

  async #start(config: JsonMap, volumes: readonly JsonMap[] = []): Promise<Started> {
    const { files } = this.#input.runtime;
    const task = `check-${++this.#tasks}/main/1`;
    const folder = join(this.#input.folder, `task-${this.#tasks}`);
    const folders = { task: folder, local: join(folder, "local"), secrets: join(folder, "secrets"), alloc: join(folder, "alloc") };
    for (const path of Object.values(folders)) files.makeDirectory(path);
    const logs = { stdout: join(folder, "stdout"), stderr: join(folder, "stderr") };
    const resources = { cpu_mhz: 100, memory_mb: 64, memory_max_mb: 0, cores: [] };
    const job = {
      namespace: "default",
      jobId: "check",
      jobName: "check",
      group: "check",
      nodeId: "check",
      nodeName: "check",
      alloc_id: "check",
      task: "main",
    };
    const groups = makeTaskGroups(files, this.#cgroups, `${this.#mark}.${this.#tasks}`);
    const env = { PATH: SAFE_PATH, NOMAD_TASK_DIR: folders.local, NOMAD_ALLOC_DIR: folders.alloc, NOMAD_SECRETS_DIR: folders.secrets };
    const given = volumes.length > 0 ? { volumes: [...volumes] } : {};
    const rest = { control: folder, env, user: "", job, folders, logs, resources, ports: [], cgroups: [...groups] };
    this.#open.set(task, groups);
    const handle: Json = (await this.#ask("start", { task, config, ...given, ...rest }, LIMITS.driverWorkMsMax)).handle ?? null;
    if (!isHandle(handle))
      throw new EdgeError("invalid", `its handle is longer than ${LIMITS.driverHandleCharsMax} characters (driverHandleCharsMax)`);
    return { task, handle, logs, groups, control: folder };
  }

  async #removeGroups(groups: readonly string[]): Promise<void> {
    const { runtime } = this.#input;
    const there = groups.filter((group) => runtime.files.stat(group) !== null);
    if (groupMembers(runtime.files, there).length > 0) await killGroup(runtime, there);
    await removeGroups(runtime, there);
  }

  async #exitOf(task: string, handle: Json) {
    const exit = readExit(await this.#ask("wait", { task, handle }, ENDED_MS_MAX));
    await this.#removeGroups(this.#open.get(task) ?? []);
    this.#open.delete(task);
    return exit;
  }

  async #end(task: string, handle: Json): Promise<void> {
    await this.#ask("stop", { task, handle, signal: "SIGKILL", force: true }, LIMITS.driverWorkMsMax);
    await this.#exitOf(task, handle);
  }
}

const LEAVE_MS_MAX = 4000;
