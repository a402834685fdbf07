// A line of an engine's log file: docker's json-file, or podman's k8s-file. Pure.

export interface LogEntry {
  readonly stream: "stdout" | "stderr";
  /** As the task wrote it, line end included where it had one. */
  readonly text: string;
}

/** Null for a line that is of neither form, such as one that a full disk cut short. */
export function parseLogLine(line: string): LogEntry | null {
  return line.startsWith("{") ? parseJson(line) : parseTagged(line);
}

// --- internal ---

function parseJson(line: string): LogEntry | null {
  try {
    const { log, stream } = JSON.parse(line) as { readonly log?: unknown; readonly stream?: unknown };
    return typeof log === "string" ? { stream: stream === "stderr" ? "stderr" : "stdout", text: log } : null;
  } catch {
    return null; // cut short: what it said is gone
  }
}

/** `2026-01-02T03:04:05.678901234+00:00 stdout F text`, P for a part without its line end. */
function parseTagged(line: string): LogEntry | null {
  const match = /^\S+ (stdout|stderr) ([FP])(?: (.*))?$/s.exec(line);
  return match ? { stream: match[1] as LogEntry["stream"], text: `${match[3] ?? ""}${match[2] === "F" ? "\n" : ""}` } : null; // one of the two by the pattern
}
