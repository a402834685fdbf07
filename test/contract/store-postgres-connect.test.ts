// What stands between a server and its PostgreSQL: names, passwords, rights, certificates. Each refusal says what to do,
// and none shows the password.

import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { after, test } from "node:test";
import { inspect } from "node:util";
import type { EdgeError } from "../../internal/domain/errors.ts";
import { openStore } from "../../internal/store/open-store.ts";
import { SCHEMA_NUMBER } from "../../internal/store/schema-number.ts";
import { makeCertificates } from "../support/certificates.ts";
import { freePort, PASSWORD, PostgresServer, postgresSkipReason, USER } from "../support/postgres.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const skip = postgresSkipReason();
let shared: PostgresServer | undefined;
let database = "";
after(() => shared?.remove());

function connectTest(name: string, body: (server: PostgresServer) => Promise<void>): void {
  test(`postgresql: ${name}`, { skip, timeout: 60_000 }, async () => {
    const server = shared ?? (await PostgresServer.start());
    shared = server;
    database ||= server.createDatabase();
    await body(server);
  });
}

async function opens(url: string): Promise<void> {
  const store = await openStore(runtime, url);
  assert.equal((await store.readLease()).schema, SCHEMA_NUMBER);
  await store.close();
}

/** The error of opening the store, in which no form of the password may be found. */
async function refusal(url: string): Promise<EdgeError> {
  const error = await openStore(runtime, url).then(
    async (store) => {
      await store.close();
      return assert.fail("it was opened");
    },
    (thrown: EdgeError) => thrown,
  );
  assert.equal(error.name, "EdgeError", inspect(error));
  assert.notEqual(error.hint ?? "", "", "there is a hint");
  const everything = `${inspect(error, { depth: 10, showHidden: true })}${JSON.stringify(error)}${error.stack}`;
  for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), "wrong-secret"]) assert.ok(!everything.includes(secret), everything);
  return error;
}

/** [name, how the URL differs, code, message] */
const REFUSED: readonly (readonly [string, (server: PostgresServer) => string, string, RegExp])[] = [
  ["a wrong password", (server) => server.url(database, { password: "wrong-secret" }), "config", /refuses the password of user "edge"/],
  ["no password", (server) => `postgres://${USER}@127.0.0.1:${server.port}/${database}`, "config", /refuses the password of user "edge"/],
  ["an unknown user", (server) => server.url(database).replace("//edge:", "//nobody:"), "config", /refuses the password of user "nobody"/],
  ["an unknown database", (server) => server.url("missing"), "config", /has no database "missing"/],
  ["TLS where the server has none", (server) => server.url(database, { options: "sslmode=require" }), "config", /speaks no TLS/],
  [
    "a file of certificates that is not there",
    (server) => server.url(database, { options: "sslmode=verify-full&sslrootcert=/missing.pem" }),
    "config",
    /\/missing\.pem does not exist/,
  ],
];

for (const [name, urlOf, code, message] of REFUSED)
  connectTest(`${name} is refused in words`, async (server) => {
    const error = await refusal(urlOf(server));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
  });

connectTest("hosts that are not there are named, after some tries; of several the one that works is taken", async (server) => {
  const [first, second] = [await freePort(), await freePort()];
  const at = (hosts: string) => server.url(database, { hosts });
  const missing: readonly (readonly [string, RegExp])[] = [
    [at("no-such-host.invalid"), /no-such-host\.invalid:5432 is not known here/],
    [at("%2Fnowhere"), /no PostgreSQL socket for \/nowhere:5432/],
    [at(`127.0.0.1:${first}`), new RegExp(`nothing listens at 127\\.0\\.0\\.1:${first}`)],
    [at(`127.0.0.1:${first},127.0.0.1:${second}`), new RegExp(`${first}.*${second}`)],
  ];
  await Promise.all([
    opens(at(`127.0.0.1:${first},127.0.0.1:${server.port}`)),
    ...missing.map(async ([url, message]) => {
      const error = await refusal(url);
      assert.deepEqual([error.code, error.isRetryable], ["unreachable", true]);
      assert.match(error.message, message);
    }),
  ]);
});

connectTest("a user without the right to create the schema is told which right; what exists already is enough", async (server) => {
  const own = server.createDatabase();
  server.sql(`ALTER DATABASE ${own} OWNER TO owner`);
  const error = await refusal(server.url(own));
  assert.equal(error.code, "config");
  assert.match(error.hint ?? "", new RegExp(`GRANT CREATE ON DATABASE ${own} TO edge`));
  server.sql(`GRANT CREATE ON DATABASE ${own} TO ${USER}`);
  await opens(server.url(own));
  server.sql(`REVOKE CREATE ON DATABASE ${own} FROM ${USER}`);
  await opens(server.url(own));
});

connectTest("a newer schema is refused by its number and left as it is", async (server) => {
  const own = server.createDatabase();
  await opens(server.url(own));
  server.sql("UPDATE edgectl.lease SET schema = 99", own);
  const error = await refusal(server.url(own));
  assert.equal(error.code, "config");
  assert.match(error.message, new RegExp(`has schema 99, this program knows ${SCHEMA_NUMBER}`));
  assert.equal(server.sql("SELECT schema FROM edgectl.lease", own), "99");
});

connectTest("somebody else's schema of our name is refused", async (server) => {
  const own = server.createDatabase();
  server.sql("CREATE SCHEMA edgectl; CREATE TABLE edgectl.lease (tenant text)", own);
  server.sql(`GRANT ALL ON SCHEMA edgectl TO ${USER}; GRANT ALL ON edgectl.lease TO ${USER}`, own);
  const error = await refusal(server.url(own));
  assert.equal(error.code, "store-corrupt");
});

connectTest("a database that does not hold UTF-8 is refused", async (server) => {
  server.sql(`CREATE DATABASE latin OWNER ${USER} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0`);
  const error = await refusal(server.url("latin"));
  assert.equal(error.code, "config");
  assert.match(error.message, /SQL_ASCII, not UTF8/);
});

connectTest("a server through its socket file needs no network", async (server) => {
  server.sql(`ALTER USER ${USER} PASSWORD '${PASSWORD}'`);
  server.write("pg_hba.conf", `local all ${USER} scram-sha-256\nlocal all owner trust\nhost all all 127.0.0.1/32 scram-sha-256\n`);
  server.sql("SELECT pg_reload_conf()");
  await opens(server.url(database, { hosts: encodeURIComponent(`${server.folder}:${server.port}`) }));
});

connectTest("under TLS: taken where offered, required, or verified by a certificate of one's own", (server) =>
  withFolder(runtime, async (folder) => {
    // The runtime's user reads the authority's file; the server gets its own by content.
    chmodSync(folder, 0o755);
    const named = makeCertificates(`${folder}/named`, "localhost");
    const other = makeCertificates(`${folder}/other`, "localhost");
    server.write("server.pem", named.certificate);
    server.write("server.key", named.key);
    server.set({ ssl: "on", ssl_cert_file: "server.pem", ssl_key_file: "server.key" });
    server.write("pg_hba.conf", "local all owner trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n");
    server.sql("SELECT pg_reload_conf()");
    const isOn = () => server.sql("SHOW ssl") === "on";
    for (let turn = 0; turn < 100 && !isOn(); turn++) await new Promise((done) => setTimeout(done, 50));

    const url = (hosts: string, options: string) => server.url(database, { hosts: `${hosts}:${server.port}`, options });
    await opens(server.url(database));
    await opens(url("127.0.0.1", "sslmode=require"));
    await opens(url("localhost", `sslmode=verify-full&sslrootcert=${named.authority}`));
    await opens(url("localhost", `sslrootcert=${named.authority}`));

    const store = await openStore(runtime, url("localhost", `sslrootcert=${named.authority}`));
    await store.readLease();
    assert.match(server.sql("SELECT DISTINCT version FROM pg_stat_ssl WHERE ssl AND pid <> pg_backend_pid()"), /^TLSv1\.[23]$/);
    await store.close();

    const plain = await refusal(url("127.0.0.1", "sslmode=disable"));
    assert.match(plain.message, /does not let user "edge" in: .*no encryption/);
    for (const [why, hosts, authority] of [
      ["another authority", "localhost", other.authority],
      ["the system's authorities", "localhost", "system"],
      ["another name", "127.0.0.1", named.authority],
    ] as const) {
      const error = await refusal(url(hosts, `sslmode=verify-full&sslrootcert=${authority}`));
      assert.equal(error.code, "config", why);
      assert.match(error.message, /certificate of PostgreSQL at .* is not to be trusted: /, why);
    }

    const byAddress = makeCertificates(`${folder}/address`, "127.0.0.1");
    server.write("server.pem", byAddress.certificate);
    server.write("server.key", byAddress.key);
    server.sql("SELECT pg_reload_conf()");
    for (let turn = 0; turn < 100; turn++) {
      const isLoaded = await opens(url("127.0.0.1", `sslrootcert=${byAddress.authority}`)).then(
        () => true,
        () => false,
      );
      if (isLoaded) break;
      assert.ok(turn < 99, "the certificate for the address is accepted");
      await new Promise((done) => setTimeout(done, 50));
    }
  }),
);
