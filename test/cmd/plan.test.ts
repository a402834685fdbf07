// A plan as people read it: markers, alignment, colours, what would happen, and who has to go.

import { expect, test } from "bun:test";
import { diffLines, type WireJobDiff } from "../../cmd/edgectl/cli/job-diff-text.ts";
import type { Paint } from "../../cmd/edgectl/cli/output.ts";
import { type PlanReply, planLines } from "../../cmd/edgectl/cli/plan-text.ts";

const plain: Paint = (_style, text) => text;
const tagged: Paint = (style, text) => `<${style}>${text}</>`;
const field = (Type: "None" | "Added" | "Deleted" | "Edited", Name: string, Old: string, New: string, Annotations: string[] | null = null) => ({
  Type,
  Name,
  Old,
  New,
  Annotations,
});

const EDITED: WireJobDiff = {
  Type: "Edited",
  ID: "web",
  Fields: [field("Added", "Meta[a]", "", "1"), field("Edited", "Priority", "50", "60")],
  Objects: [{ Type: "Added", Name: "Constraint", Fields: [field("Added", "LTarget", "", "${attr.kernel.name}")], Objects: null }],
  TaskGroups: [
    {
      Type: "Edited",
      Name: "g",
      Fields: [field("Edited", "Count", "1", "3", ["forces create"])],
      Objects: null,
      Updates: { create: 2, "create/destroy update": 1, ignore: 4 },
      Tasks: [
        {
          Type: "Edited",
          Name: "t",
          Fields: null,
          Objects: [
            {
              Type: "Edited",
              Name: "Config",
              Fields: [field("None", "args[0]", "-c", "-c"), field("Edited", "command", "/bin/a", "/bin/b")],
              Objects: null,
            },
          ],
          Annotations: ["forces create/destroy update"],
        },
        { Type: "None", Name: "u", Fields: null, Objects: null, Annotations: null },
      ],
    },
    { Type: "Deleted", Name: "old", Fields: [field("Deleted", "Count", "1", "")], Objects: null, Updates: { destroy: 1 }, Tasks: [] },
  ],
};

test("a diff stands in Nomad's layout: markers as wide as the widest, values aligned, what is forced behind them", () => {
  expect(diffLines(EDITED, { isVerbose: false, paint: plain })).toEqual([
    '+/- Job: "web"',
    '+   Meta[a]:  "1"',
    '+/- Priority: "50" => "60"',
    "+   Constraint {",
    '  + LTarget: "${attr.kernel.name}"',
    "    }",
    '+/- Task Group: "g" (2 create, 1 create/destroy update, 4 ignore)',
    '  +/- Count: "1" => "3" (forces create)',
    '  +/- Task: "t" (forces create/destroy update)',
    "    +/- Config {",
    '          args[0]: "-c"',
    '      +/- command: "/bin/a" => "/bin/b"',
    "        }",
    '      Task: "u"',
    '-   Task Group: "old" (1 destroy)',
  ]);
});

test("what is added or gone as a whole is spelled out only when asked", () => {
  const added: WireJobDiff = {
    Type: "Added",
    ID: "new",
    Fields: [field("Added", "Priority", "", "50")],
    Objects: null,
    TaskGroups: [
      {
        Type: "Added",
        Name: "g",
        Fields: [field("Added", "Count", "", "1")],
        Objects: null,
        Updates: { create: 1 },
        Tasks: [{ Type: "Added", Name: "t", Fields: [field("Added", "Driver", "", "raw_exec")], Objects: null, Annotations: ["forces create"] }],
      },
    ],
  };
  expect(diffLines(added, { isVerbose: false, paint: plain })).toEqual([
    '+ Job: "new"',
    '+ Task Group: "g" (1 create)',
    '  + Task: "t" (forces create)',
  ]);
  expect(diffLines(added, { isVerbose: true, paint: plain })).toEqual([
    '+ Job: "new"',
    '+ Priority: "50"',
    '+ Task Group: "g" (1 create)',
    '  + Count: "1"',
    '  + Task: "t" (forces create)',
    '    + Driver: "raw_exec"',
  ]);
});

test("colours say how much a change should be noticed", () => {
  const lines = diffLines(EDITED, { isVerbose: false, paint: tagged });
  expect([lines[0], lines[6], lines[14]]).toEqual([
    '<yellow>+/- </><bold>Job: "web"</>',
    '<yellow>+/- </><bold>Task Group: "g"</> (<green>2 create</>, <yellow>1 create/destroy update</>, 4 ignore)',
    '<red>-   </><bold>Task Group: "old"</> (<red>1 destroy</>)',
  ]);
});

const reply = (own: Partial<PlanReply> = {}): PlanReply => ({
  JobModifyIndex: 0,
  Diff: null,
  Annotations: null,
  FailedTGAllocs: null,
  NextPeriodicLaunch: null,
  Warnings: "",
  ...own,
});
const preempted = (count: number, job: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => ({ ID: `${at}aaaaaaaabbb`, JobID: job(at), TaskGroup: "g", NodeName: "n" }));

test("what would happen is told by group, in words", () => {
  const updates = { Place: 2, Canary: 1, InPlaceUpdate: 3, DestructiveUpdate: 4, Migrate: 5, Stop: 6, Preemptions: 7, Ignore: 8 };
  expect(planLines(reply({ Annotations: { DesiredTGUpdates: { g: updates, quiet: { Ignore: 0 } } } }), { isVerbose: false, paint: plain })).toEqual([
    "- All tasks successfully allocated.",
    '- Group "g": 2 created, 1 created as canaries, 3 changed in place, 4 replaced, 5 migrated, 6 stopped, 7 of other jobs preempted, 8 left as they are.',
  ]);
});

test("those who have to go are named, many of them by job", () => {
  const lines = (PreemptedAllocs: ReturnType<typeof preempted>) =>
    planLines(reply({ Annotations: { DesiredTGUpdates: null, PreemptedAllocs } }), { isVerbose: false, paint: plain }).slice(1);
  expect(lines(preempted(1, () => "low"))).toEqual(["", "Preemptions:", "Alloc ID  Job ID  Task Group  Node", "0aaaaaaa  low     g           n"]);
  expect(lines(preempted(11, (at) => (at < 8 ? "low" : "other")))).toEqual(["", "Preemptions:", "Job ID  Preemptions", "low     8", "other   3"]);
});

test("with verbose each allocation stands with its reason", () => {
  const decision = { Kind: "replace", Group: "g", Name: "j.g[0]", AllocID: "a", Node: "n1", Reason: "its tasks change" };
  expect(planLines(reply({ Decisions: [decision] }), { isVerbose: true, paint: plain }).slice(1)).toEqual([
    "",
    "Allocation  Decision  Node  Why",
    "j.g[0]      replace   n1    its tasks change",
  ]);
});
