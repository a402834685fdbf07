// A registry of images that speaks as much of the distribution API as an engine needs to pull: one image made of
// busybox under any name in `images`, behind a user and password where the test wants that.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { makeRoot } from "./docker-engine.ts";

export interface RegistryOptions {
  readonly folder: string;
  /** NAME:TAG each. */
  readonly images: readonly string[];
  readonly login?: { readonly user: string; readonly password: string };
  /** Milliseconds that a layer takes. */
  readonly layerDelayMs?: number;
}

export class ImageRegistry {
  readonly #options: RegistryOptions;
  readonly #server: Server;
  readonly #blobs = new Map<string, { readonly bytes: Buffer; readonly type: string }>();
  readonly #layer: string;
  readonly #manifest: { readonly bytes: Buffer; readonly digest: string };
  /** Paths asked for. */
  readonly asked: string[] = [];
  port = 0;

  constructor(options: RegistryOptions) {
    this.#options = options;
    // A layer of its own: an engine asks for none that it has from elsewhere.
    const work = mkdtempSync(join(options.folder, "registry-"));
    writeFileSync(join(work, "mark"), work);
    copyFileSync(makeRoot(options.folder), join(work, "layer.tar"));
    spawnSync("tar", ["-C", work, "-rf", join(work, "layer.tar"), "mark"]);
    const tar = readFileSync(join(work, "layer.tar"));
    const packed = spawnSync("gzip", ["-nc"], { input: tar, maxBuffer: 100_000_000 }).stdout;
    this.#layer = this.#keep(packed, "application/octet-stream");
    const config = {
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config: { Cmd: ["sh"], Env: ["PATH=/bin"] },
      rootfs: { type: "layers", diff_ids: [digestOf(tar)] },
    };
    const configBytes = Buffer.from(JSON.stringify(config));
    const type = "application/vnd.docker.distribution.manifest.v2+json";
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: type,
        config: {
          mediaType: "application/vnd.docker.container.image.v1+json",
          size: configBytes.length,
          digest: this.#keep(configBytes, "application/octet-stream"),
        },
        layers: [{ mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", size: packed.length, digest: this.#layer }],
      }),
    );
    this.#manifest = { bytes: manifest, digest: this.#keep(manifest, type) };
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** How often the layer was asked for. */
  get layersAsked(): number {
    return this.asked.filter((path) => path.endsWith(this.#layer)).length;
  }

  /** An image's name for the engine; addresses of this machine need no TLS. */
  name(image: string): string {
    return `127.0.0.1:${this.port}/${image}`;
  }

  async start(port = 0): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(port, "127.0.0.1", done));
    const address = this.#server.address();
    this.port = typeof address === "object" && address !== null ? address.port : 0;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  // --- internal ---

  #keep(bytes: Buffer, type: string): string {
    const digest = digestOf(bytes);
    this.#blobs.set(digest, { bytes, type });
    return digest;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "").split("?")[0] ?? "";
    this.asked.push(path);
    const { login, images, layerDelayMs } = this.#options;
    const wanted = login && `Basic ${Buffer.from(`${login.user}:${login.password}`).toString("base64")}`;
    if (wanted !== undefined && request.headers.authorization !== wanted) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="test"', "content-type": "application/json" });
      return void response.end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}');
    }
    if (path === "/v2/") return this.#send(request, response, Buffer.from("{}"), "application/json");
    const [, name = "", kind = "", reference = ""] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
    const known = images.filter((image) => image.startsWith(`${name}:`));
    const isManifest = kind === "manifests" && (known.includes(`${name}:${reference}`) || (known.length > 0 && reference === this.#manifest.digest));
    const blob = isManifest ? this.#blobs.get(this.#manifest.digest) : kind === "blobs" && known.length > 0 ? this.#blobs.get(reference) : undefined;
    if (blob === undefined) {
      response.writeHead(404, { "content-type": "application/json" });
      return void response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
    }
    if (reference === this.#layer && layerDelayMs !== undefined) await new Promise((done) => setTimeout(done, layerDelayMs));
    this.#send(request, response, blob.bytes, blob.type);
  }

  #send(request: IncomingMessage, response: ServerResponse, bytes: Buffer, type: string): void {
    response.writeHead(200, {
      "content-type": type,
      "content-length": bytes.length,
      "docker-content-digest": digestOf(bytes),
      "docker-distribution-api-version": "registry/2.0",
    });
    response.end(request.method === "HEAD" ? undefined : bytes);
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
