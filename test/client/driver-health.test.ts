// What a node says of itself once a driver found its engine, or lost it.

import { expect, test } from "bun:test";
import { withDriverState } from "../../internal/client/driver-health.ts";
import { aNode } from "../fixtures/model.ts";

test("a driver's attributes come with its health and go with it; those of others stay", () => {
  const node = {
    ...aNode("n1"),
    attributes: { "driver.raw_exec": "1", "driver.docker.old": "x", "driver.dockerless": "1" },
    sources: {},
    drivers: {},
  };
  const found = { detected: true, healthy: true, description: "Healthy", attributes: { "driver.docker": "1", "driver.docker.version": "20.10" } };
  const up = withDriverState(node, "docker", found, 5);
  expect(up.attributes).toEqual({ "driver.raw_exec": "1", "driver.dockerless": "1", "driver.docker": "1", "driver.docker.version": "20.10" });
  expect(up.drivers.docker).toEqual({ ...found, updatedAtMs: 5 });
  const down = withDriverState(up, "docker", { detected: true, healthy: false, description: "gone", attributes: {} }, 9);
  expect(down.attributes).toEqual({ "driver.raw_exec": "1", "driver.dockerless": "1" });
  expect(down.sources).toEqual({});
  expect(down.drivers.docker).toMatchObject({ healthy: false, description: "gone", updatedAtMs: 9 });
});
