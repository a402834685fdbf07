// Probes of ports and pages, under whichever runtime: what is answered, what is followed, and what is given up.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { createServer as createTcpServer } from "node:net";
import { test } from "node:test";
import { type HttpProbe, probeHttp, probeTcp } from "../../internal/runtime/probe.ts";

const LIMITS = { timeoutMs: 5000, bodyBytesMax: 100 };

async function withServer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  body: (port: number) => Promise<void>,
): Promise<void> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  try {
    await body(typeof address === "object" && address ? address.port : 0);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const probe = (port: number, own: Partial<HttpProbe> = {}): HttpProbe => ({
  protocol: "http",
  address: "127.0.0.1",
  port,
  path: "/",
  method: "GET",
  headers: {},
  body: "",
  isVerified: true,
  serverName: "",
  ...own,
});

test("probe: a page's status and the beginning of its text", () =>
  withServer(
    (request, response) => response.writeHead(request.headers.host === "shop" ? 203 : 500).end(request.method === "PUT" ? "x".repeat(5000) : "small"),
    async (port) => {
      const found = await probeHttp(probe(port, { method: "PUT", headers: { Host: ["shop"] } }), LIMITS);
      assert.deepEqual(found, { status: 203, text: "x".repeat(100) });
      assert.deepEqual(await probeHttp(probe(port), LIMITS), { status: 500, text: "small" });
    },
  ));

test("probe: a page without an end is left when enough was read", () =>
  withServer(
    (_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write("more ".repeat(50)), 5);
      response.on("close", () => clearInterval(timer));
    },
    async (port) => assert.equal((await probeHttp(probe(port), LIMITS)).text.length, 100),
  ));

test("probe: redirects are followed to the same address alone, and not for ever", () =>
  withServer(
    (request, response) => {
      if (request.url === "/in") response.writeHead(302, { Location: "/page?x=1" }).end();
      else if (request.url === "/out") response.writeHead(302, { Location: "http://127.0.0.2:1/page" }).end();
      else if (request.url === "/round") response.writeHead(302, { Location: "round" }).end();
      else response.writeHead(200).end(request.url);
    },
    async (port) => {
      assert.deepEqual(await probeHttp(probe(port, { path: "/in" }), LIMITS), { status: 200, text: "/page?x=1" });
      assert.equal((await probeHttp(probe(port, { path: "/out" }), LIMITS)).status, 302);
      assert.equal((await probeHttp(probe(port, { path: "/round" }), LIMITS)).status, 302);
      assert.equal((await probeHttp(probe(port, { path: "/in", method: "POST" }), LIMITS)).status, 302);
    },
  ));

test("probe: who says nothing, or no HTTP, is told apart from who answers", async () => {
  const silent = createTcpServer((socket) => void socket.on("error", () => undefined));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const address = silent.address();
  const port = typeof address === "object" && address ? address.port : 0;
  await probeTcp("127.0.0.1", port, 5000);
  await assert.rejects(probeHttp(probe(port), { ...LIMITS, timeoutMs: 200 }), /no answer in time/);
  silent.close();
});

test("probe: a port that nobody listens on, a path that cannot be sent", async () => {
  await assert.rejects(probeTcp("127.0.0.1", 1, 5000));
  await assert.rejects(probeHttp(probe(1), LIMITS));
  await withServer(
    (_request, response) => response.end(),
    (port) => assert.rejects(probeHttp(probe(port, { path: "/a b\r\nX: y" }), LIMITS)),
  );
});

test("probe: a certificate that nobody vouches for fails the check, unless it is not to be looked at", async (context) => {
  // Key and certificate on one stream, made anew: none lies in the repository, to run out one day.
  const words = "req -x509 -newkey rsa:2048 -nodes -keyout - -days 1 -subj /CN=shop.test";
  const made = spawnSync("openssl", words.split(" "), { encoding: "utf8" });
  if (made.status !== 0) {
    assert.notEqual(process.env.EDGECTL_TEST_REQUIRE, "1", "openssl has to be there to make a certificate");
    return context.skip("openssl is not there to make a certificate (install the Debian package openssl)");
  }
  const server = createSecureServer({ key: made.stdout, cert: made.stdout }, (_request, response) => void response.writeHead(200).end("secure"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const secure = probe(typeof address === "object" && address ? address.port : 0, { protocol: "https" });
  try {
    await assert.rejects(probeHttp(secure, LIMITS), /self.signed/);
    assert.deepEqual(await probeHttp({ ...secure, isVerified: false, serverName: "shop.test" }, LIMITS), { status: 200, text: "secure" });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
