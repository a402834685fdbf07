// Whether this machine can run jars: a JVM that is found without starting it, within what exec needs.

import type { NodeDriver } from "../../domain/node.ts";
import { findJava } from "../../runner/drivers/java-home.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Facts } from "./reading.ts";
import { note } from "./reading.ts";

export function fingerprintJava(runtime: Runtime, facts: Facts, own: { readonly isEnabled: boolean; readonly exec: NodeDriver }): NodeDriver {
  const standing = { detected: false, healthy: false, attributes: {}, updatedAtMs: runtime.clock.nowMs() };
  if (!own.isEnabled) return { ...standing, description: "disabled by client.java" };
  const java = findJava(runtime);
  if (java === null) return { ...standing, description: "no java found: neither at JAVA_HOME nor on the path (install default-jre-headless)" };
  if (!own.exec.healthy) return { ...standing, detected: true, description: `it needs what exec needs: ${own.exec.description}` };
  const source = `${java.home}/release`;
  note(facts, "driver.java", { value: "1", source });
  for (const name of ["version", "runtime", "vm"] as const) note(facts, `driver.java.${name}`, { value: java[name], source });
  return { ...standing, detected: true, healthy: true, description: "Healthy", attributes: { "driver.java": "true" } };
}
