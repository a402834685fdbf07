// Services of a real agent: listed while their tasks serve, found by the API and the CLI, waited for.

import { expect, test } from "bun:test";
import { shellJob } from "./jobs.ts";
import { inPlace, until } from "./place.ts";

const MINUTE = 60_000;

test(
  "services are listed while their tasks run, with their own addresses, and go before those are ended",
  () =>
    inPlace(async (place) => {
      await place.start();
      await until("the node", async () => (await place.get("/v1/nodes"))[0]?.Status === "ready");
      const group = `count = 2
network = { port = { http = {} } }
[[group.g.service]]
name = "\${NOMAD_JOB_NAME}-web"
port = "http"
tags = ["i\${NOMAD_ALLOC_INDEX}", "all"]`;
      const task = 'kill_timeout = "30s"\n[[group.g.task.main.service]]\nprovider = "nomad"\nport = "9100"\naddress = "192.0.2.1"';
      const script = `trap 'touch ${place.path("asked")}; while [ ! -e ${place.path("go")} ]; do sleep 0.1; done; exit 0' INT; while :; do sleep 0.1; done`;
      const done = place.run(shellJob({ id: "shop", type: "service", script, group, task }), "--detach");
      expect(done.status).toBe(0);
      await until("both", async () => (await place.get("/v1/service/shop-web")).length === 2);
      expect(await place.get("/v1/services")).toEqual([
        {
          Namespace: "default",
          Services: [
            { ServiceName: "shop-g-main", Tags: [] },
            { ServiceName: "shop-web", Tags: ["all", "i0", "i1"] },
          ],
        },
      ]);
      const found = await place.get("/v1/service/shop-web");
      const allocs = await place.get("/v1/job/shop/allocations?resources=true");
      for (const one of found) {
        const alloc = allocs.find((candidate: { readonly ID: string }) => candidate.ID === one.AllocID);
        expect(one).toMatchObject({ ServiceName: "shop-web", Namespace: "default", JobID: "shop", Datacenter: "dc1", NodeID: alloc.NodeID });
        expect(one.ID).toBe(`_nomad-task-${alloc.ID}-group-g-shop-web-http`);
        expect(one.Port).toBe(alloc.AllocatedResources.Shared.Ports[0].Value);
        expect(one.Tags).toEqual([`i${/\[(\d)\]$/.exec(alloc.Name)?.[1]}`, "all"]);
      }
      expect((await place.get("/v1/service/shop-g-main")).map((one: { Address: string; Port: number }) => `${one.Address}:${one.Port}`)).toEqual([
        "192.0.2.1:9100",
        "192.0.2.1:9100",
      ]);
      expect(await place.get("/v1/service/none")).toEqual([]);
      expect((await place.get("/v1/job/shop/services")).map((one: { ServiceName: string }) => one.ServiceName).sort()).toEqual([
        "shop-g-main",
        "shop-g-main",
        "shop-web",
        "shop-web",
      ]);
      // One key is given the same instance each time, and the filter is the API's own.
      const chosen = async (key: string) => (await place.get(`/v1/service/shop-web?choose=1%7C${key}`)).map((one: { ID: string }) => one.ID);
      expect(await chosen("me")).toEqual(await chosen("me"));
      expect(
        new Set([...(await chosen("a")), ...(await chosen("b")), ...(await chosen("c")), ...(await chosen("d")), ...(await chosen("e"))]).size,
      ).toBe(2);
      expect((await fetch(`${place.agent.address}/v1/service/shop-web?choose=x`)).status).toBe(400);
      expect(await place.get(`/v1/service/shop-web?filter=${encodeURIComponent('"i1" in Tags')}`)).toHaveLength(1);
      expect(place.ok("service", "list")).toMatch(/shop-web +\[all,i0,i1\]/);
      expect(place.ok("service", "info", "shop-web")).toMatch(new RegExp(`shop +\\S+:${found[0].Port} +\\[i\\d,all\\]`));
      expect(place.cli("service", "info", "none").status).toBe(1);

      // Taken out by hand it stays out, and is nobody else's.
      const [first] = found;
      place.ok("service", "delete", "shop-web", first.ID);
      expect((await place.get("/v1/service/shop-web")).map((one: { ID: string }) => one.ID)).toEqual([found[1].ID]);
      expect((await place.get(`/v1/allocation/${first.AllocID}/services`)).map((one: { ServiceName: string }) => one.ServiceName)).toEqual([
        "shop-g-main",
      ]);
      expect(place.cli("service", "delete", "shop-web", first.ID).status).toBe(1);

      // Whoever waits is told once it changes, which is before the task ends.
      const before = await fetch(`${place.agent.address}/v1/service/shop-web`);
      const index = Number(before.headers.get("x-nomad-index"));
      const waiting = fetch(`${place.agent.address}/v1/service/shop-web?index=${index}&wait=30s`);
      place.ok("stop", "--detach", "shop");
      expect(await (await waiting).json()).toEqual([]);
      await until("the task to be asked to end", async () => Bun.file(place.path("asked")).exists());
      expect((await place.alloc("shop"))?.ClientStatus).toBe("running");
      expect(await place.get("/v1/services")).toEqual([]);
      place.write("go", "");
      await place.untilAlloc("shop", "complete");
    }),
  MINUTE,
);
