// java: a jar or a class in a JVM of the host, in the same namespaces and limits as a program of exec.

import { EdgeError } from "../../domain/errors.ts";
import type { Driver, StartRequest } from "./driver.ts";
import { type ExecParts, memoryLimitOf, type SandboxProgram, sandboxDriver } from "./exec.ts";
import { javaConfigProblems, javaProgram } from "./java-config.ts";
import { findJava } from "./java-home.ts";

export function javaDriver(parts: ExecParts): Driver {
  return sandboxDriver(parts, "java", null, (request) => programOf(parts, request));
}

// --- internal ---

function programOf(parts: ExecParts, request: StartRequest): SandboxProgram {
  const [problem] = javaConfigProblems(request.task.config);
  if (problem) throw new EdgeError("invalid", problem.message);
  const java = findJava(parts.runtime);
  if (java === null) throw new EdgeError("invalid", "this node has no java any more", { hint: "install default-jre-headless" });
  const program = javaProgram(request.task.config, java.home, { memoryMiB: memoryLimitOf(request), env: request.env });
  return { ...program, folders: [java.home] };
}
