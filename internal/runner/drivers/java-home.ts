// Where this machine's JVM is, and which one, from its own `release` file: a JVM takes a second to start on a small device.

import { join } from "../../domain/paths.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { SAFE_PATH } from "../sandbox/tools.ts";

export interface Java {
  /** The folder above bin/java, links resolved. */
  readonly home: string;
  readonly version: string;
  readonly runtime: string;
  readonly vm: string;
}

/** The one of the agent's JAVA_HOME, else the first java on the path; null when there is none. */
export function findJava({ files, host }: Runtime): Java | null {
  const { JAVA_HOME = "", PATH = "" } = host.env;
  const folders = [...(JAVA_HOME === "" ? [] : [join(JAVA_HOME, "bin")]), ...PATH.split(":"), ...SAFE_PATH.split(":")];
  for (const folder of folders) {
    const program = folder.startsWith("/") ? join(folder, "java") : "";
    if (program === "" || !files.isExecutable(program) || files.stat(program)?.isDirectory) continue;
    const home = /^(\/.+)\/bin\/java$/.exec(files.realPath(program) ?? "")?.[1];
    if (home === undefined) continue;
    // Java 8's programs lie in a folder below the one that is described.
    const release = files.readText(join(home, "release")) ?? files.readText(join(home, "..", "release")) ?? "";
    return { home, ...describe(release) };
  }
  return null;
}

// --- internal ---

function describe(release: string): Omit<Java, "home"> {
  const value = (name: string) => new RegExp(`^${name}="(.*)"$`, "m").exec(release)?.[1] ?? "";
  const version = value("JAVA_VERSION");
  const build = value("JAVA_RUNTIME_VERSION") || version;
  if (build === "") return { version: "unknown", runtime: "unknown", vm: "unknown" };
  const isOpenJ9 = value("JVM_VARIANT").toLowerCase() === "openj9";
  return { version, runtime: `OpenJDK Runtime Environment (build ${build})`, vm: isOpenJ9 ? "Eclipse OpenJ9 VM" : `OpenJDK VM (build ${build})` };
}
