// Keys and certificates of a test's own, made by openssl.

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A key and a certificate for a server named `host`, signed by an authority of its own. */
export function makeCertificates(folder: string, host: string): { readonly authority: string; readonly certificate: string; readonly key: string } {
  mkdirSync(folder, { recursive: true });
  const openssl = (...words: readonly string[]) => {
    const done = spawnSync("openssl", words, { encoding: "utf8", cwd: folder });
    if (done.status !== 0) throw new Error(`openssl ${words.join(" ")}: ${done.stderr}`);
  };
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  openssl("req", "-x509", ...ec, "-keyout", "authority.key", "-out", "authority.pem", "-subj", "/CN=test authority");
  openssl("req", ...ec, "-keyout", "server.key", "-out", "server.csr", "-subj", `/CN=${host}`);
  writeFileSync(join(folder, "names"), `subjectAltName=${/^[\d.]+$/.test(host) ? "IP" : "DNS"}:${host}\n`);
  const signer = ["-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial"];
  openssl("x509", "-req", "-in", "server.csr", ...signer, "-days", "2", "-extfile", "names", "-out", "server.pem");
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  return { authority: join(folder, "authority.pem"), certificate: read("server.pem"), key: read("server.key") };
}
