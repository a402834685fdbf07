// What a java config may say, the command line it becomes, and how large the heap is when nobody says.

import { expect, test } from "bun:test";
import { heapOptions, javaConfigProblems, javaProgram } from "../../internal/runner/drivers/java-config.ts";

/** [what, config, the words of each problem] */
const CONFIGS: readonly (readonly [string, Parameters<typeof javaConfigProblems>[0], readonly string[]])[] = [
  ["a jar", { jar_path: "local/app.jar", args: ["-v"] }, []],
  ["a class with its path", { class: "Main", class_path: "local/classes:/usr/share/java/*" }, []],
  ["all that exec has", { jar_path: "a.jar", work_dir: "/local", pid_mode: "private", cap_drop: ["all"], ulimit: { nofile: "1024" } }, []],
  ["neither", {}, ["jar_path"]],
  ["an empty jar", { jar_path: "" }, ["jar_path"]],
  ["both", { jar_path: "a.jar", class: "Main" }, ["exclude"]],
  ["options as a text", { jar_path: "a.jar", jvm_options: "-Xmx1g" }, ["list of strings"]],
  ["options that are no strings", { jar_path: "a.jar", jvm_options: [1] }, ["list of strings"]],
  ["a key of exec's that is the JVM's here", { jar_path: "a.jar", command: "sh" }, ['no config key "command"']],
  ["an inherited name", { jar_path: "a.jar", constructor: "x" }, ['no config key "constructor"']],
  ["a relative work_dir", { jar_path: "a.jar", work_dir: "local" }, ["path from the task's root"]],
  ["what is known on the node only", { jar_path: `$\{meta.jar}`, args: [`$\{attr.kernel.name}`] }, []],
];

for (const [what, config, words] of CONFIGS)
  test(`java config: ${what}`, () => {
    const problems = javaConfigProblems(config);
    expect(problems.length).toBe(words.length);
    for (const [at, word] of words.entries()) expect(problems[at]?.message).toContain(word);
  });

test("the command line: heap, options, class path, what runs, its arguments; paths are the task's own", () => {
  const machine = { memoryMiB: 64, env: {} };
  const { config, files } = javaProgram(
    { jar_path: "local/app.jar", jvm_options: ["-ea"], args: ["-v"], work_dir: "/alloc" },
    "/usr/lib/jvm/17",
    machine,
  );
  expect([config.command, ...config.args]).toEqual(["/usr/lib/jvm/17/bin/java", "-Xmx32m", "-ea", "-jar", "/local/app.jar", "-v"]);
  expect([config.workDir, files]).toEqual(["/alloc", ["/local/app.jar"]]);
  const ofClass = javaProgram({ class: "a.Main", class_path: "local/classes:/usr/share/java/*:" }, "/j", machine);
  expect(ofClass.config.args).toEqual(["-Xmx32m", "-classpath", "/local/classes:/usr/share/java/*", "a.Main"]);
  expect(ofClass.files).toEqual([]);
});

/** [what, options, environment, MiB, what is added] */
const HEAPS: readonly (readonly [string, readonly string[], Readonly<Record<string, string>>, number, readonly string[]])[] = [
  ["half of the memory", [], {}, 64, ["-Xmx32m"]],
  ["half of much", ["-ea"], {}, 1024, ["-Xmx512m"]],
  ["little is enough to start", [], {}, 6, ["-Xmx4m"]],
  ["no bound, no heap of ours", [], {}, 0, []],
  ["the job's own -Xmx", ["-Xmx48m"], {}, 64, []],
  ["the same by its long name", ["-XX:MaxHeapSize=48m"], {}, 64, []],
  ["the job's own size of the machine", ["-XX:MaxRAM=64m"], {}, 64, []],
  ["percentages are of the task's memory", ["-XX:MaxRAMPercentage=75"], {}, 64, ["-XX:MaxRAM=64m"]],
  ["said in the environment", [], { JAVA_TOOL_OPTIONS: "-ea -Xmx40m" }, 64, []],
  ["another option that begins alike", ["-Xms8m"], {}, 64, ["-Xmx32m"]],
];

for (const [what, options, env, memoryMiB, want] of HEAPS)
  test(`heap: ${what}`, () => expect(heapOptions(options, { memoryMiB, env })).toEqual(want));
