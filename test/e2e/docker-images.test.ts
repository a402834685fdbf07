// Images: pulls from a registry of the test's own, with and without its password, tarballs, and what goes again.

import { expect } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { ImageRegistry, type RegistryOptions } from "../support/image-registry.ts";
import { dockerTest, engineOfFile, eventsOf, nodeFlags, outputOf, refusalOf, start, untilHealth, withNode } from "./docker-place.ts";
import { freePort, inPlace, sleep, until } from "./place.ts";

const engine = engineOfFile();
const LOGIN = { user: "reader", password: "s3cret:with colon" };
const script = "echo it ran";

async function withRegistry(options: Omit<RegistryOptions, "folder">, body: (registry: ImageRegistry) => Promise<void>): Promise<void> {
  const registry = new ImageRegistry({ folder: engine.folder, ...options });
  await registry.start();
  try {
    await body(registry);
  } finally {
    for (const image of options.images) engine.try("image", "rm", "--force", registry.name(image));
    await registry.stop();
  }
}

const has = (name: string) => engine.try("image", "inspect", name).status === 0;
const pullsOf = (registry: ImageRegistry) => registry.asked.filter((path) => path.includes("/manifests/")).length;

dockerTest("an image is pulled once for all who want it, and said so; force_pull asks again", () =>
  withRegistry({ images: ["team/app:1"], layerDelayMs: 500 }, (registry) =>
    withNode(engine, [], async (place) => {
      const image = registry.name("team/app:1");
      for (const id of ["one", "two"]) start(place, { id, script, config: { image } });
      for (const id of ["one", "two"]) {
        const alloc = await place.untilAlloc(id, "complete");
        expect(await place.logs(alloc.ID, "main")).toBe("it ran\n");
        expect(eventsOf(alloc)).toContain(`Downloading image ${image}`);
      }
      expect(registry.layersAsked).toBe(1);
      expect(registry.asked.filter((path) => path.endsWith("/manifests/1")).length).toBe(1);
      const before = pullsOf(registry);
      await outputOf(place, { id: "again", script, config: { image } });
      expect(pullsOf(registry)).toBe(before);
      await outputOf(place, { id: "forced", script, config: { image, force_pull: true } });
      expect(pullsOf(registry)).toBeGreaterThan(before);
    }),
  ),
);

dockerTest("a registry's password: none, a wrong one, one in the job, one in the operator's file", () =>
  withRegistry({ images: ["private:1"], login: LOGIN }, (registry) =>
    withNode(engine, [], async (place) => {
      const image = registry.name("private:1");
      expect(await refusalOf(place, { id: "nobody", config: { image } })).toMatch(/does not give this node 127.*auth/s);
      const wrong = { username: LOGIN.user, password: "guess" };
      expect(await refusalOf(place, { id: "wrong", config: { image, auth: wrong } })).toMatch(/does not give this node/);
      const right = [{ username: LOGIN.user, password: LOGIN.password, server_address: image.split("/")[0] }];
      expect(await outputOf(place, { id: "right", script, config: { image, auth: right } })).toBe("it ran\n");
      engine.docker("image", "rm", "--force", image);
      await place.agent.stop();
      const auth = Buffer.from(`${LOGIN.user}:${LOGIN.password}`).toString("base64");
      const file = place.write("config.json", JSON.stringify({ auths: { [`127.0.0.1:${registry.port}`]: { auth } } }));
      await place.start({
        dataDirectory: place.agent.dataDirectory,
        flags: ["--client.docker.endpoint", engine.endpoint, "--client.docker.auth-config", file],
      });
      expect(await outputOf(place, { id: "by-file", script, config: { image } })).toBe("it ran\n");
      expect(place.agent.log).not.toContain(LOGIN.password);
    }),
  ),
);

dockerTest(
  "a registry's password from a credential helper: the operator's own, one that the file names, one that knows nobody, fails or is not there",
  () =>
    withRegistry({ images: ["private:2"], login: LOGIN }, (registry) =>
      inPlace(async (place) => {
        const image = registry.name("private:2");
        const server = `127.0.0.1:${registry.port}`;
        const answers = {
          good: `read -r server; [ "$1 $server" = "get ${server}" ] && echo '${JSON.stringify({ ServerURL: server, Username: LOGIN.user, Secret: LOGIN.password })}'`,
          empty: "echo credentials not found in native keychain; exit 1",
          broken: "echo the safe is locked >&2; exit 3",
          odd: "echo '{}'",
        };
        mkdirSync(place.path("bin"));
        for (const [name, script] of Object.entries(answers)) {
          writeFileSync(place.path(`bin/docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
          chmodSync(place.path(`bin/docker-credential-${name}`), 0o755);
        }
        const file = place.write("helpers.json", JSON.stringify({ credHelpers: { [server]: "good" }, credsStore: "empty" }));
        /** [flags, what becomes of a pull] */
        const nodes: readonly (readonly [string, readonly string[], RegExp | null])[] = [
          ["own", ["--client.docker.auth-helper", "good"], null],
          ["file", ["--client.docker.auth-config", file], null],
          ["empty", ["--client.docker.auth-helper", "empty"], /does not give this node 127.*auth/s],
          ["broken", ["--client.docker.auth-helper", "broken"], /docker-credential-broken ended with 3: the safe is locked/],
          ["odd", ["--client.docker.auth-helper", "odd"], /docker-credential-odd gave no Username and Secret for 127/],
          ["absent", ["--client.docker.auth-helper", "absent"], /docker-credential-absent could not be started/],
        ];
        for (const [name, flags, refusal] of nodes) {
          engine.try("image", "rm", "--force", image);
          const env = { PATH: `${place.path("bin")}:${process.env.PATH}` };
          await place.start({ name, env, flags: nodeFlags(engine, flags) });
          await untilHealth(place, true);
          if (refusal === null) expect(await outputOf(place, { id: name, script, config: { image } })).toBe("it ran\n");
          else expect(await refusalOf(place, { id: name, config: { image } })).toMatch(refusal);
          expect(place.agent.log).not.toContain(LOGIN.password);
          await place.agent.stop();
        }
      }),
    ),
);

dockerTest("what is not there is said to be missing; a registry that is gone, a pull that takes too long, too", () =>
  withRegistry({ images: ["slow:1"], layerDelayMs: 20_000 }, (registry) =>
    withNode(engine, [], async (place) => {
      expect(await refusalOf(place, { id: "typo", config: { image: registry.name("slow:2") } })).toMatch(/there is no image .*slow:2.*name and tag/s);
      const nowhere = `127.0.0.1:${await freePort()}/x:1`;
      expect(await refusalOf(place, { id: "gone", config: { image: nowhere } })).toMatch(/could not be pulled: .*refused/s);
      const slow = { image: registry.name("slow:1"), image_pull_timeout: "1s" };
      expect(await refusalOf(place, { id: "slow", config: slow })).toMatch(/took longer than 1s.*image_pull_timeout/s);
    }),
  ),
);

dockerTest("a task is stopped while its image is on its way", () =>
  withRegistry({ images: ["slow:1"], layerDelayMs: 30_000 }, (registry) =>
    withNode(engine, [], async (place) => {
      start(place, { id: "waiting", type: "service", script: "sleep 60", config: { image: registry.name("slow:1") } });
      await until("the pull", () => registry.layersAsked > 0);
      const began = Date.now();
      place.ok("stop", "--detach", "waiting");
      await place.untilAlloc("waiting", "complete");
      expect(Date.now() - began).toBeLessThan(3000);
      expect(engine.containers()).toEqual([]);
    }),
  ),
);

dockerTest("the newest image is asked for anew, and a node without its registry runs the one it has", () =>
  withRegistry({ images: ["moving:latest"] }, (registry) =>
    withNode(engine, [], async (place) => {
      const image = registry.name("moving");
      await outputOf(place, { id: "first", script, config: { image } });
      const before = pullsOf(registry);
      await outputOf(place, { id: "second", script, config: { image } });
      expect(pullsOf(registry)).toBeGreaterThan(before);
      await registry.stop();
      start(place, { id: "offline", script, config: { image } });
      const alloc = await place.untilAlloc("offline", "complete");
      expect(eventsOf(alloc).join("\n")).toContain("that is here");
      await registry.start(registry.port);
    }),
  ),
);

dockerTest("an image is loaded from a tarball in the task's folder, and from nowhere else", () =>
  withNode(engine, [], async (place) => {
    const image = "carried:1";
    engine.docker("tag", "busybox:test", image);
    const tarball = place.path("carried.tar");
    engine.docker("save", "--output", tarball, image);
    engine.docker("image", "rm", image);
    // A task of the group carries it there, as an artifact would.
    const carry = (id: string, load: string) => `id = "${id}"
type = "batch"
[group.g]
restart = { attempts = 0, mode = "fail" }
reschedule = { attempts = 0, unlimited = false }
[group.g.task.carry]
driver = "raw_exec"
lifecycle = { hook = "prestart" }
config = { command = "/bin/sh", args = ["-c", "mkdir -p ../main/local; cp ${tarball} ../main/local/; echo x > ../main/local/broken.tar; ln -s /etc/passwd ../main/local/link.tar"] }
resources = { cpu = 10, memory = 10 }
[group.g.task.main]
driver = "docker"
config = { image = "${image}", load = "${load}", command = "echo", args = ["it ran"] }
resources = { cpu = 10, memory = 16 }
`;
    const refused = async (id: string, load: string) => {
      place.run(carry(id, load), "--detach");
      return eventsOf(await place.untilAlloc(id, "failed")).join("\n");
    };
    expect(await refused("climbs", "../../../../../../etc/passwd")).toContain("outside the task's folder");
    expect(await refused("link", "link.tar")).toContain("by a link");
    expect(await refused("absent", "absent.tar")).toContain('there is no file "absent.tar"');
    expect(await refused("broken", "broken.tar")).toMatch(/load: the engine (?:does not take|found no image)/);
    expect(has(image)).toBe(false);
    place.run(carry("good", "carried.tar"), "--detach");
    const alloc = await place.untilAlloc("good", "complete");
    expect(await place.logs(alloc.ID, "main")).toBe("it ran\n");
  }),
);

dockerTest("images that were fetched for tasks go when nobody used them for the delay; others stay", () =>
  withRegistry({ images: ["brief:1", "kept:1"] }, (registry) =>
    withNode(engine, ["--client.docker.gc-image-delay", "1s"], async (place) => {
      const [brief, kept] = [registry.name("brief:1"), registry.name("kept:1")];
      await engine.dockerAside("pull", kept);
      start(place, { id: "long", type: "service", script: "echo up; sleep 300", config: { image: brief }, task: 'kill_timeout = "100ms"' });
      await place.untilAlloc("long", "running");
      await outputOf(place, { id: "short", script, config: { image: brief } });
      await outputOf(place, { id: "other", script, config: { image: kept } });
      await sleep(2500);
      expect(has(brief)).toBe(true);
      await place.agent.kill();
      await place.start({
        dataDirectory: place.agent.dataDirectory,
        flags: ["--client.docker.endpoint", engine.endpoint, "--client.docker.gc-image-delay", "1s"],
      });
      place.ok("stop", "--detach", "long");
      await place.untilAlloc("long", "complete");
      await until("the image to go", () => !has(brief), 15_000);
      expect(has(kept)).toBe(true);
      expect(has("busybox:test")).toBe(true);
    }),
  ),
);
