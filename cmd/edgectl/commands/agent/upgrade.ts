// edgectl agent upgrade: another program in the place of the one that runs, without a break for its tasks.

import { isSettled, type Upgrade } from "../../../../internal/device/upgrade.ts";
import { parseDurationMs } from "../../../../internal/domain/duration.ts";
import { EdgeError } from "../../../../internal/domain/errors.ts";
import { LIMITS } from "../../../../internal/domain/limits.ts";
import type { Runtime } from "../../../../internal/runtime/runtime.ts";
import { type Call, DONE, defineEdgeCommand, FAILED } from "../../cli/command.ts";
import { instantText } from "../../cli/times.ts";

const options = {
  checksum: { type: "string", description: "refuse the file unless this is its sum", valueHint: "sha256:HEX" },
  signature: { type: "string", description: "minisign signature of the file; with --fleet again for each", valueHint: "FILE", isRepeated: true },
  key: { type: "string", description: "minisign public key that must have signed it", valueHint: "FILE" },
  force: { type: "boolean", description: "also an older program, or the same one again" },
  "healthy-within": { type: "string", description: "time that the new program has (default 60s)", valueHint: "DURATION" },
  "healthy-for": { type: "string", description: "how long it must be healthy without a break (default 5s)", valueHint: "DURATION" },
  rollback: { type: "boolean", description: "go back to the program that ran before" },
  status: { type: "boolean", description: "show the last upgrade, or how far the present one is" },
  fleet: { type: "boolean", description: "roll it out over the nodes of the region instead, wave by wave; one FILE for each kind of processor" },
  filter: { type: "string", description: "with --fleet: nodes that match", valueHint: "EXPRESSION" },
  "node-pool": { type: "string", description: "with --fleet: nodes of this pool", valueHint: "POOL" },
  wave: { type: "string", description: "with --fleet: nodes at once, a number or a share (default 10%)", valueHint: "N|N%" },
  pause: { type: "string", description: "with --fleet: between a wave that is healthy and the next (default 30s)", valueHint: "DURATION" },
  stop: { type: "boolean", description: "with --fleet: end the roll-out where it is" },
  detach: { type: "boolean", description: "do not wait for its end" },
  "data-dir": { type: "string", description: "the agent's data directory (EDGECTL_DATA_DIR; default as the agent's)", valueHint: "DIR" },
  json: { type: "boolean", description: "print JSON" },
} as const;

export default defineEdgeCommand({
  description:
    "The agent that runs on this machine becomes the program in FILE; its tasks go on. When that program does not come up healthy in time, the one before comes back by itself, with its state file. The program before stays beside it, as PROGRAM.previous. It must be run as the agent's user.",
  operands: "[FILE...]",
  examples: [
    ["agent upgrade ./edgectl-linux-arm64", "check the file, put it in place, and wait until it is healthy"],
    ["agent upgrade --checksum sha256:9f86d0... ./edgectl-linux-arm64", "refuse any other file"],
    ["agent upgrade --key release.pub --signature edgectl.minisig ./edgectl-linux-arm64", "refuse a file that the key did not sign"],
    ["agent upgrade --status", "how the last one went"],
    ["agent upgrade --rollback", "back to the program before"],
    ["agent upgrade --fleet --wave 10% --pause 5m edgectl-linux-arm64 edgectl-linux-x64", "every node that allows it; stops at the first failure"],
    ["agent upgrade --fleet --status", "waves, nodes and versions; --stop ends it"],
  ],
  options,
  async run(call) {
    if (call.options.fleet) return runFleet(call);
    refuseFleetOptions(call);
    const { readAgentConfig } = await import("../../agent/config.ts");
    const given = call.options["data-dir"];
    const { dataDirectory } = await readAgentConfig(call.runtime, given === undefined ? [] : ["--data-dir", given]);
    if (call.options.status) return showStatus(call, dataDirectory);
    const [file = ""] = call.operands;
    if (call.operands.length > 1)
      throw new EdgeError("invalid", "one agent becomes one program", { hint: "--fleet takes a file for each kind of processor" });
    if ((file === "") !== (call.options.rollback === true))
      throw new EdgeError("invalid", file === "" ? "the file of the new program is missing" : "--rollback takes no file", {
        hint: "edgectl agent upgrade FILE, or edgectl agent upgrade --rollback",
      });
    const { stageUpgrade } = await import("../../agent/upgrade-stage.ts");
    const upgrade = await stageUpgrade(call.runtime, {
      dataDirectory,
      file,
      sha256: checksumOf(call.options.checksum),
      signature: signaturesOf(call)[0] ?? "",
      key: textOf(call.runtime, call.options.key),
      isForced: call.options.force === true || call.options.rollback === true,
      healthyWithinMs: durationOf("healthy-within", call.options["healthy-within"], 60_000),
      healthyForMs: durationOf("healthy-for", call.options["healthy-for"], 5000),
    });
    if (upgrade === null) {
      if (call.options.json) call.output.json({ State: "unchanged" });
      else call.output.line("this very program runs already: nothing was changed (--force starts it again)");
      return DONE;
    }
    if (call.options.detach) {
      if (call.options.json) call.output.json(encodeUpgrade(upgrade));
      else call.output.line(`the agent was told to become edgectl ${upgrade.to.version}; edgectl agent upgrade --status shows how it goes`);
      return DONE;
    }
    return follow(call, dataDirectory, upgrade);
  },
});

// --- internal ---

type UpgradeCall = Call<typeof options>;

async function runFleet({ runtime, api, output, progress, options, operands, repeated }: UpgradeCall): Promise<number> {
  const { showFleet, startFleet, stopFleet } = await import("../../agent/upgrade-fleet.ts");
  const call = { runtime, api, output, progress, isJson: options.json === true };
  if (options.rollback || options["data-dir"] !== undefined || options.checksum !== undefined)
    throw new EdgeError("invalid", "--rollback, --checksum and --data-dir are for one agent, not for --fleet");
  if (options.status) return showFleet(call);
  if (options.stop) return stopFleet(call);
  return startFleet(call, {
    files: operands,
    signatures: signaturesOf({ runtime, repeated }),
    key: textOf(runtime, options.key),
    filter: options.filter ?? "",
    nodePool: options["node-pool"] ?? "",
    wave: options.wave ?? "10%",
    pauseMs: durationOf("pause", options.pause, 30_000),
    healthyWithinMs: durationOf("healthy-within", options["healthy-within"], 60_000),
    healthyForMs: durationOf("healthy-for", options["healthy-for"], 5000),
    isForced: options.force === true,
    isDetached: options.detach === true,
  });
}

function refuseFleetOptions({ options }: UpgradeCall): void {
  const given = (["filter", "node-pool", "wave", "pause", "stop"] as const).find((name) => options[name] !== undefined);
  if (given) throw new EdgeError("invalid", `--${given} belongs to --fleet`);
}

function signaturesOf({ runtime, repeated }: Pick<UpgradeCall, "runtime" | "repeated">): readonly string[] {
  return repeated("signature").map((path) => textOf(runtime, path) ?? "");
}

/** Until it has ended. Leaving early changes nothing: the agent and its watcher go on by themselves. */
async function follow(call: UpgradeCall, directory: string, prepared: Upgrade): Promise<number> {
  const { runtime, progress, output } = call;
  const { readUpgrade } = await import("../../agent/upgrade-record.ts");
  const { abandon } = await import("../../agent/upgrade-stage.ts");
  const beganMs = runtime.clock.monotonicMs();
  let told = "";
  for (;;) {
    const upgrade = readUpgrade(runtime, directory);
    if (upgrade?.id !== prepared.id) throw new EdgeError("conflict", `another upgrade took the place of this one in ${directory}`);
    const waitedMs = runtime.clock.monotonicMs() - beganMs;
    if (upgrade.state === "prepared" && waitedMs > LIMITS.upgradeTakeOverMsMax)
      abandon(runtime, directory, prepared.id, "the agent did not take it up");
    if (isSettled(upgrade.state)) {
      if (call.options.json) output.json(encodeUpgrade(upgrade));
      else output.line(sentenceOf(upgrade));
      return upgrade.state === "healthy" ? DONE : FAILED;
    }
    if (waitedMs > prepared.healthyWithinMs + FOLLOW_MARGIN_MS)
      throw new EdgeError("busy", "the upgrade has not ended", { hint: "edgectl agent upgrade --status shows how far it is" });
    const line = sentenceOf(upgrade);
    if (line !== told && !call.options.json) progress.info(line);
    told = line;
    await runtime.clock.sleep(LIMITS.upgradeLookMs);
  }
}

const FOLLOW_MARGIN_MS = 180_000;

async function showStatus({ runtime, options, output }: UpgradeCall, directory: string): Promise<number> {
  const { readUpgrade } = await import("../../agent/upgrade-record.ts");
  const upgrade = readUpgrade(runtime, directory);
  if (options.json) output.json(upgrade === null ? null : encodeUpgrade(upgrade));
  else if (upgrade === null) output.line(`the agent in ${directory} was never upgraded in place`);
  else {
    output.line(sentenceOf(upgrade));
    output.pairs([
      ["Program", upgrade.program],
      ["From", `${upgrade.from.version} (${upgrade.from.revision})`],
      ["To", `${upgrade.to.version} (${upgrade.to.revision})`],
      ["State", upgrade.state],
      ["Since", instantText(upgrade.changedAtMs)],
      ...(upgrade.reason === "" ? [] : [["Reason", upgrade.reason] as const]),
    ]);
  }
  return DONE;
}

function sentenceOf({ state, from, to, reason }: Upgrade): string {
  const [older, newer] = [`edgectl ${from.version} (${from.revision})`, `edgectl ${to.version} (${to.revision})`];
  switch (state) {
    case "prepared":
      return `${newer} is ready to take the place of ${older}`;
    case "swapping":
    case "starting":
      return `${newer} was given the place of ${older}: waiting until it is healthy`;
    case "going-back":
      return `${newer} is not healthy (${reason}): going back to ${older}`;
    case "healthy":
      return `${newer} runs in the place of ${older} and is healthy${reason === "" ? "" : `: ${reason}`}`;
    case "went-back":
      return `${older} runs again: ${newer} did not get healthy: ${reason}`;
    case "abandoned":
      return `${older} was kept: ${reason}`;
  }
}

function encodeUpgrade(upgrade: Upgrade): object {
  const build = ({ version, revision }: Upgrade["from"]) => ({ Version: version, Revision: revision });
  return {
    ID: upgrade.id,
    State: upgrade.state,
    Reason: upgrade.reason,
    Program: upgrade.program,
    From: build(upgrade.from),
    To: { ...build(upgrade.to), SHA256: upgrade.to.sha256 },
    PreparedAt: instantText(upgrade.preparedAtMs),
    ChangedAt: instantText(upgrade.changedAtMs),
  };
}

function checksumOf(text: string | undefined): string {
  if (text === undefined) return "";
  const sum = /^(?:sha256:)?([0-9a-f]{64})$/i.exec(text)?.[1];
  if (sum === undefined)
    throw new EdgeError("invalid", `--checksum: "${text}" is no SHA-256`, { hint: "write it like sha256:9f86d081..., 64 digits" });
  return sum.toLowerCase();
}

function textOf(runtime: Runtime, path: string | undefined): string | null {
  if (path === undefined) return null;
  const text = runtime.files.readText(path);
  if (text === null) throw new EdgeError("not-found", `there is no file ${path}`);
  return text.slice(0, LIMITS.upgradeKeyCharsMax);
}

function durationOf(option: string, text: string | undefined, otherwise: number): number {
  const ms = text === undefined ? otherwise : parseDurationMs(text);
  if (ms === null || ms <= 0 || ms > LIMITS.upgradeHealthyWithinMsMax)
    throw new EdgeError(
      "invalid",
      `--${option}: "${text}" is no duration of up to ${LIMITS.upgradeHealthyWithinMsMax} ms (upgradeHealthyWithinMsMax)`,
      {
        hint: "write it like 90s or 5m",
      },
    );
  return ms;
}
