// Differences on the wire: the shapes of Nomad's plan, by kind of value.

import { expect, test } from "bun:test";
import { diffContent, pairByName } from "../../internal/api/wire-diff.ts";

const field = (Type: string, Name: string, Old: string, New: string) => ({ Type, Name, Old, New, Annotations: null });
const edited = (Fields: unknown[] | null, Objects: unknown[] | null = null) => ({ Type: "Edited", Fields, Objects });

test.each([
  ["nothing", {}, {}, { Type: "None", Fields: null, Objects: null }],
  ["what is equal", { A: 1, B: ["x"], C: { D: 1 } }, { A: 1, B: ["x"], C: { D: 1 } }, { Type: "None", Fields: null, Objects: null }],
  ["fields, in order", { B: 1, A: "x" }, { B: 2, A: "y" }, edited([field("Edited", "A", "x", "y"), field("Edited", "B", "1", "2")])],
  ["a field that came, or went", { A: "", B: "x" }, { A: "y", B: null }, edited([field("Added", "A", "", "y"), field("Deleted", "B", "x", "")])],
  [
    "false and 0 are values",
    null,
    { A: false, B: 0, C: "" },
    { Type: "Added", Fields: [field("Added", "A", "", "false"), field("Added", "B", "", "0")], Objects: null },
  ],
  ["what went as a whole", { A: 1 }, null, { Type: "Deleted", Fields: [field("Deleted", "A", "1", "")], Objects: null }],
  [
    "maps are fields of what holds them",
    { Meta: { foo: "1", bar: "2" } },
    { Meta: { bar: "2", baz: "3" } },
    edited([field("Added", "Meta[baz]", "", "3"), field("Deleted", "Meta[foo]", "1", "")]),
  ],
  [
    "words are a set, in whatever order, with what stays beside",
    { Datacenters: ["foo", "bar"] },
    { Datacenters: ["baz", "bar"] },
    edited(null, [
      {
        Type: "Edited",
        Name: "Datacenters",
        Fields: [field("Added", "Datacenters", "", "baz"), field("None", "Datacenters", "bar", "bar"), field("Deleted", "Datacenters", "foo", "")],
        Objects: null,
      },
    ]),
  ],
  ["words in another order are no change", { Datacenters: ["a", "b"] }, { Datacenters: ["b", "a"] }, { Type: "None", Fields: null, Objects: null }],
  [
    "an edited object shows what it has unchanged, too",
    { RestartPolicy: { Attempts: 2, Mode: "fail" } },
    { RestartPolicy: { Attempts: 3, Mode: "fail" } },
    edited(null, [
      {
        Type: "Edited",
        Name: "RestartPolicy",
        Fields: [field("Edited", "Attempts", "2", "3"), field("None", "Mode", "fail", "fail")],
        Objects: null,
      },
    ]),
  ],
  [
    "constraints come and go whole",
    { Constraints: [{ LTarget: "a", RTarget: "1", Operand: "=" }] },
    { Constraints: [{ LTarget: "a", RTarget: "2", Operand: "=" }] },
    edited(null, [
      {
        Type: "Added",
        Name: "Constraint",
        Fields: [field("Added", "LTarget", "", "a"), field("Added", "Operand", "", "="), field("Added", "RTarget", "", "2")],
        Objects: null,
      },
      {
        Type: "Deleted",
        Name: "Constraint",
        Fields: [field("Deleted", "LTarget", "a", ""), field("Deleted", "Operand", "=", ""), field("Deleted", "RTarget", "1", "")],
        Objects: null,
      },
    ]),
  ],
  [
    "ports are the same by their label, inside their network",
    { Networks: [{ Mode: "host", DynamicPorts: [{ Label: "http", Value: 0, To: 80 }] }] },
    { Networks: [{ Mode: "host", DynamicPorts: [{ Label: "http", Value: 0, To: 81 }] }] },
    edited(null, [
      {
        Type: "Added",
        Name: "Network",
        Fields: [field("Added", "Mode", "", "host")],
        Objects: [
          {
            Type: "Added",
            Name: "Dynamic Port",
            Fields: [field("Added", "Label", "", "http"), field("Added", "To", "", "81"), field("Added", "Value", "", "0")],
            Objects: null,
          },
        ],
      },
      {
        Type: "Deleted",
        Name: "Network",
        Fields: [field("Deleted", "Mode", "host", "")],
        Objects: [
          {
            Type: "Deleted",
            Name: "Dynamic Port",
            Fields: [field("Deleted", "Label", "http", ""), field("Deleted", "To", "80", ""), field("Deleted", "Value", "0", "")],
            Objects: null,
          },
        ],
      },
    ]),
  ],
  [
    "services are the same by their name",
    { Services: [{ Name: "web", PortLabel: "a" }] },
    { Services: [{ Name: "web", PortLabel: "b" }] },
    edited(null, [
      { Type: "Edited", Name: "Service", Fields: [field("None", "Name", "web", "web"), field("Edited", "PortLabel", "a", "b")], Objects: null },
    ]),
  ],
  [
    "a driver's config is one object, however deep",
    { Config: { command: "sh", args: ["-c", "a"], ports: { http: 1 } } },
    { Config: { command: "sh", args: ["-c", "b"], ports: { http: 1 } } },
    edited(null, [
      {
        Type: "Edited",
        Name: "Config",
        Fields: [
          field("None", "args[0]", "-c", "-c"),
          field("Edited", "args[1]", "a", "b"),
          field("None", "command", "sh", "sh"),
          field("None", "ports[http]", "1", "1"),
        ],
        Objects: null,
      },
    ]),
  ],
  [
    "a block that came",
    { Update: null },
    { Update: { Canary: 1 } },
    edited(null, [{ Type: "Added", Name: "Update", Fields: [field("Added", "Canary", "", "1")], Objects: null }]),
  ],
])("%s", (_name, old, next, want) => {
  expect(diffContent(old, next) as unknown).toEqual(want);
});

test("keys that are ignored are not looked at", () => {
  expect(diffContent({ A: 1, B: 1 }, { A: 2, B: 1 }, ["A"]).Type).toBe("None");
});

test("things of both sides are paired by name, sorted", () => {
  const pairs = pairByName([{ Name: "b" }, { Name: "a" }], [{ Name: "c" }, { Name: "b", X: 1 }]);
  expect(pairs).toEqual([
    { name: "a", old: { Name: "a" }, next: null },
    { name: "b", old: { Name: "b" }, next: { Name: "b", X: 1 } },
    { name: "c", old: null, next: { Name: "c" } },
  ]);
});
