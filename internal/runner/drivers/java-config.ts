// The config of java as a job writes it, and the command line that comes of it. Pure.

import type { JsonMap } from "../../domain/job.ts";
import { type ExecConfig, execConfigOf, problemsOfKeys, SANDBOX_KEYS, type ValueKind } from "./exec-config.ts";
import type { ConfigProblem } from "./registry.ts";

export function javaConfigProblems(config: JsonMap): ConfigProblem[] {
  const problems = problemsOfKeys("java", KEYS, config);
  const [hasJar, hasClass] = [isSaid(config.jar_path), isSaid(config.class)];
  if (!hasJar && !hasClass)
    problems.push({ path: ["jar_path"], message: 'java needs config "jar_path" or "class": what to run, such as "local/app.jar"' });
  if (hasJar && hasClass)
    problems.push({ path: ["class"], message: 'java config "class" and "jar_path" exclude each other: a jar names its own class' });
  return problems;
}

/** What runs for such a config, without problems, in the JVM of that folder; and the files it needs. */
export function javaProgram(config: JsonMap, home: string, machine: HeapInput): { readonly config: ExecConfig; readonly files: readonly string[] } {
  const text = (key: string) => String(config[key] ?? "");
  const list = (key: string) => (Array.isArray(config[key]) ? config[key].map(String) : []);
  const jar = text("jar_path");
  const classPath = text("class_path")
    .split(":")
    .filter((part) => part !== "")
    .map(fromRoot);
  const what = jar === "" ? [text("class")] : ["-jar", fromRoot(jar)];
  const options = list("jvm_options");
  const args = [
    ...heapOptions(options, machine),
    ...options,
    ...(classPath.length > 0 ? ["-classpath", classPath.join(":")] : []),
    ...what,
    ...list("args"),
  ];
  return { config: { ...execConfigOf(config), image: "", command: `${home}/bin/java`, args }, files: jar === "" ? [] : [fromRoot(jar)] };
}

export interface HeapInput {
  /** What the task may use before it is ended; 0 = no bound. */
  readonly memoryMiB: number;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * A JVM takes a quarter of the machine for its heap, and a task whose limit is smaller would be ended for it: half of the
 * task's memory is the heap's, the rest for code, classes and stacks. Percentages that a job asks for are of the task's memory.
 */
export function heapOptions(options: readonly string[], { memoryMiB, env }: HeapInput): readonly string[] {
  const said = [...options, ...OPTION_VARIABLES.flatMap((name) => (env[name] ?? "").split(/\s+/))];
  const has = (pattern: RegExp) => said.some((option) => pattern.test(option));
  if (memoryMiB === 0 || has(/^-(?:Xmx|XX:MaxHeapSize=|XX:MaxRAM=)/)) return [];
  return has(/^-XX:\w*RAM(?:Percentage|Fraction)=/) ? [`-XX:MaxRAM=${memoryMiB}m`] : [`-Xmx${Math.max(MIN_HEAP_MIB, Math.floor(memoryMiB / 2))}m`];
}

// --- internal ---

const MIN_HEAP_MIB = 4;
/** Where a JVM looks for options besides its command line. */
const OPTION_VARIABLES = ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"];

const KEYS: Readonly<Record<string, ValueKind>> = {
  jar_path: "text",
  class: "text",
  class_path: "text",
  jvm_options: "list",
  args: "list",
  ...SANDBOX_KEYS,
};

function isSaid(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "";
}

/** As in Nomad a path is one of the task's folder, whatever its work_dir. */
function fromRoot(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}
