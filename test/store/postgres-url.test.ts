// URLs of stores: what is read out of them, what is refused, and that no refusal shows a password.

import { expect, test } from "bun:test";
import { parseStoreUrl, titleOfStore } from "../../internal/store/open-store.ts";
import { parsePostgresUrl } from "../../internal/store/postgres/postgres-url.ts";

const BASE = { user: "u", password: "pw", database: "d", tls: "prefer", rootCertificates: "" } as const;
const ONE_HOST = [{ host: "h", port: 5432 }];

const GOOD: readonly (readonly [string, object])[] = [
  ["postgres://u:pw@h/d", { ...BASE, hosts: ONE_HOST }],
  ["postgresql://u:pw@h:6000/d", { ...BASE, hosts: [{ host: "h", port: 6000 }] }],
  ["postgres://u:p%40%2F%3A%25w@h/d", { ...BASE, password: "p@/:%w", hosts: ONE_HOST }],
  ["postgres://u:a:b@h/d", { ...BASE, password: "a:b", hosts: ONE_HOST }],
  ["postgres://u:a#b@h/d", { ...BASE, password: "a#b", hosts: ONE_HOST }],
  ["postgres://u@h/d", { ...BASE, password: "from-the-environment", hosts: ONE_HOST }],
  ["postgres://u:@h/d", { ...BASE, password: "", hosts: ONE_HOST }],
  [
    "postgres://u:pw@h1:1,h2,[::1]:3,[fe80::1]/d?target_session_attrs=read-write",
    {
      ...BASE,
      hosts: [
        { host: "h1", port: 1 },
        { host: "h2", port: 5432 },
        { host: "::1", port: 3 },
        { host: "fe80::1", port: 5432 },
      ],
    },
  ],
  ["postgres://u:pw@/d?host=/run/postgresql", { ...BASE, hosts: [{ host: "/run/postgresql", port: 5432 }] }],
  ["postgres://u:pw@%2Frun%2Fpostgresql:6000/d", { ...BASE, hosts: [{ host: "/run/postgresql", port: 6000 }] }],
  ["postgres://u:pw@h/d?sslmode=disable", { ...BASE, tls: "disable", hosts: ONE_HOST }],
  ["postgres://u:pw@h/d?sslmode=require", { ...BASE, tls: "require", hosts: ONE_HOST }],
  ["postgres://u:pw@h/d?sslmode=verify-full", { ...BASE, tls: "verify-full", hosts: ONE_HOST }],
  ["postgres://u:pw@h/d?sslrootcert=/etc/ca%40home.pem", { ...BASE, tls: "verify-full", rootCertificates: "/etc/ca@home.pem", hosts: ONE_HOST }],
];

for (const [url, want] of GOOD)
  test(`${url} is understood`, () => {
    expect(parseStoreUrl(url)).toEqual({ kind: "postgres", url });
    expect(parsePostgresUrl(url, "from-the-environment")).toEqual(want as never);
  });

const SECRET = "s3cret";

const BAD: readonly (readonly [string, RegExp])[] = [
  [`postgres://u:${SECRET}@h`, /names no database/],
  [`postgres://u:${SECRET}@h/`, /names no database/],
  ["postgres://h/d", /names no user/],
  [`postgres://:${SECRET}@h/d`, /names no user/],
  [`postgres://u:${SECRET}@/d`, /names no host/],
  [`postgres://u:${SECRET}@h1,,h2/d`, /names no host/],
  [`postgres://u:${SECRET}@h:0/d`, /port that is not between/],
  [`postgres://u:${SECRET}@h:99999/d`, /port that is not between/],
  [`postgres://u:${SECRET}@h:x/d`, /port that is not between/],
  [`postgres://u:a@${SECRET}@h/d`, /"@" or "#"/],
  [`postgres://u:a/${SECRET}@h/d`, /"@" or "#"/],
  [`postgres://u:a?${SECRET}@h/d`, /"@" or "#"/],
  [`postgres://u:${SECRET}%@h/d`, /"%" in its password/],
  [`postgres://u:${SECRET}%00@h/d`, /NUL in its password/],
  [`postgres://u@h/d?password=${SECRET}`, /password among the options/],
  [`postgres://u:${SECRET}@h/d?sslmod=require`, /unknown option "sslmod"/],
  [`postgres://u:${SECRET}@h/d?sslmode=maybe`, /sslmode=maybe/],
  [`postgres://u:${SECRET}@h/d?sslmode=require&sslrootcert=/ca.pem`, /checks no certificate/],
  [`postgres://u:${SECRET}@h/d?target_session_attrs=standby`, /target_session_attrs=standby/],
  [`postgres://u:${SECRET}@h/d?host=/run`, /names its host twice/],
  [`postgers://u:${SECRET}@h/d`, /a store of the kind "postgers:" is not supported/],
  [`${SECRET}`, /the store is no URL/],
  ["", /the store is no URL/],
  ["sqlite:", /a store of the kind "sqlite:" is not supported/],
];

for (const [url, message] of BAD)
  test(`"${url}" is refused in words`, () => {
    let thrown: unknown;
    try {
      parseStoreUrl(url);
      parsePostgresUrl(url, "");
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ name: "EdgeError", code: "config" });
    const { message: said, hint } = thrown as { message: string; hint: string };
    expect(said).toMatch(message);
    expect(hint).not.toBe("");
    expect(Bun.inspect(thrown).replaceAll(/^\s*\d+ \|.*$/gm, "")).not.toContain(SECRET);
  });

test("paths of SQLite files are taken as they stand", () => {
  for (const url of ["sqlite:/a/b.db", "sqlite:///a/b.db"]) expect(parseStoreUrl(url)).toEqual({ kind: "sqlite", path: "/a/b.db" });
  expect(parseStoreUrl("sqlite:b c?d.db")).toEqual({ kind: "sqlite", path: "b c?d.db" });
});

test("a title names everything but the password", () => {
  expect(titleOfStore("postgres://u:pw@h1:1,[::1]/d?sslmode=disable")).toBe("postgres://u@h1:1,[::1]:5432/d");
  expect(titleOfStore("sqlite:/a/b.db")).toBe("sqlite:/a/b.db");
});
