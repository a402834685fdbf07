// What a node says of its JVM, without starting it.

import { expect, test } from "bun:test";
import { fingerprintJava } from "../../internal/client/fingerprint/java.ts";
import { newFacts } from "../../internal/client/fingerprint/reading.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { fakeFiles } from "../runner/sandbox/fake-files.ts";

const HOME = "/usr/lib/jvm/java-17";
const LINKED = { "/usr/bin/java": { link: `${HOME}/bin/java` }, [`${HOME}/bin/java`]: "#!" };
const RELEASE = 'IMPLEMENTOR="Debian"\nJAVA_RUNTIME_VERSION="17.0.15+6-Debian"\nJAVA_VERSION="17.0.15"\n';
const exec = { detected: true, healthy: true, description: "Healthy", attributes: {}, updatedAtMs: 0 };

function look(files: Parameters<typeof fakeFiles>[0], own: Partial<Parameters<typeof fingerprintJava>[2]> = {}, env: Record<string, string> = {}) {
  const real = bunRuntime();
  const facts = newFacts();
  const runtime = { ...real, files: fakeFiles(files), host: { ...real.host, env } };
  return { driver: fingerprintJava(runtime, facts, { isEnabled: true, exec, ...own }), attributes: facts.attributes };
}

test("a JVM is known by its release file", () => {
  const { driver, attributes } = look({ ...LINKED, [`${HOME}/release`]: RELEASE });
  expect([driver.detected, driver.healthy]).toEqual([true, true]);
  expect(attributes).toEqual({
    "driver.java": "1",
    "driver.java.version": "17.0.15",
    "driver.java.runtime": "OpenJDK Runtime Environment (build 17.0.15+6-Debian)",
    "driver.java.vm": "OpenJDK VM (build 17.0.15+6-Debian)",
  });
});

test("JAVA_HOME goes before the path; without a release file the JVM is usable and its version unknown", () => {
  const files = { ...LINKED, [`${HOME}/release`]: RELEASE, "/opt/jdk/bin/java": "#!" };
  expect(look(files, {}, { JAVA_HOME: "/opt/jdk" }).attributes["driver.java.version"]).toBe("unknown");
});

test("no JVM, a driver that is off, an exec that lacks something: each says so and gives no attribute", () => {
  expect(look({}).driver).toMatchObject({ detected: false, healthy: false });
  expect(look({ "/usr/bin/java": { link: "/nowhere/java" } }).driver.detected).toBe(false);
  expect(look(LINKED, { isEnabled: false }).driver.description).toBe("disabled by client.java");
  const lame = look(LINKED, { exec: { ...exec, healthy: false, description: "the agent does not run as root" } });
  expect(lame.driver).toMatchObject({ detected: true, healthy: false });
  expect(lame.driver.description).toContain("does not run as root");
  expect(lame.attributes).toEqual({});
});
