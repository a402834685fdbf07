// edgectl job dispatch: one run of a parameterized job, with its meta and payload.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { LIMITS } from "../../../../internal/domain/limits.ts";
import { type Call, defineEdgeCommand } from "../../cli/command.ts";
import { findJob, jobPath } from "../../cli/find.ts";
import { FOLLOW_OPTIONS, followWrite } from "../../cli/follow-write.ts";
import { wholeNumber } from "../../cli/numbers.ts";

interface DispatchReply {
  readonly DispatchedJobID: string;
  readonly EvalID: string;
  readonly Waits?: string;
}

export default defineEdgeCommand({
  description: `PAYLOAD is a file of ${LIMITS.dispatchPayloadBytesMax} bytes at most; - reads standard input. Returns when the run has started or ended.`,
  operands: "JOB [PAYLOAD]",
  examples: [
    ["job dispatch --meta who=ada greet", "run it with meta"],
    ["job dispatch convert picture.png", "run it with a file as its payload"],
  ],
  options: {
    ...FOLLOW_OPTIONS,
    meta: { type: "string", description: "a key of the job's meta", valueHint: "KEY=VALUE", isRepeated: true },
    "idempotency-token": { type: "string", description: "dispatch once for this token, however often it is sent", valueHint: "TOKEN" },
    "id-prefix-template": { type: "string", description: "beginning of the run's id", valueHint: "TEXT" },
    priority: { type: "string", description: "priority of the run", valueHint: "N" },
  },
  async run(call) {
    const [name = "", path] = call.operands;
    const job = await findJob(call.api, name, 'ParentID == "" and ParameterizedJob is not nil');
    const reply = await call.api.put<DispatchReply>(
      jobPath(job, "/dispatch"),
      {
        JobID: job.id,
        Payload: path === undefined ? null : await payloadOf(call, path),
        Meta: Object.fromEntries(call.repeated("meta").map(readMeta)),
        IdPrefixTemplate: call.options["id-prefix-template"] ?? "",
        ...(call.options.priority === undefined ? {} : { Priority: wholeNumber("priority", call.options.priority) }),
      },
      { namespace: job.namespace, idempotency_token: call.options["idempotency-token"] },
    );
    if (!call.options.json) call.output.line(`Dispatched Job ID = ${reply.DispatchedJobID}`);
    return followWrite(call, reply, job.namespace);
  },
});

// --- internal ---

async function payloadOf(call: Call, path: string): Promise<string> {
  const limit = LIMITS.dispatchPayloadBytesMax;
  if (path === "-") return Buffer.from(await call.runtime.terminal.readInput(limit), "utf8").toString("base64");
  const bytes = call.runtime.files.readBytes(path.startsWith("/") ? path : `${call.runtime.host.cwd}/${path}`);
  if (bytes === null) throw new EdgeError("invalid", `the file ${path} does not exist`);
  if (bytes.length > limit)
    throw new EdgeError("too-large", `${path} has ${bytes.length} bytes; a payload may have ${limit} (dispatchPayloadBytesMax)`);
  return Buffer.from(bytes).toString("base64");
}

function readMeta(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at <= 0) throw new EdgeError("invalid", `--meta "${text}" is not KEY=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}
