// What a build says about itself: the version from package.json and the commit, as --define arguments.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root, run } from "./bases.ts";

/** `--define` arguments for `bun build`; the product code declares both constants with a fallback. */
export function defines(): string[] {
  return [
    `--define=EDGECTL_VERSION=${JSON.stringify(version())}`,
    `--define=EDGECTL_COMMIT=${JSON.stringify(commit())}`,
    `--define=process.env.NODE_ENV="production"`,
  ];
}

/** The version in package.json. */
export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  if (typeof manifest === "object" && manifest !== null && "version" in manifest && typeof manifest.version === "string") return manifest.version;
  throw new Error("package.json has no version");
}

/** Twelve digits of the commit, with "-dirty" when tracked files differ from it; "unknown" outside a git clone. */
export function commit(): string {
  try {
    const id = run(["git", "rev-parse", "--short=12", "HEAD"]).trim();
    const isDirty = run(["git", "status", "--porcelain", "--untracked-files=no"]).trim() !== "";
    return isDirty ? `${id}-dirty` : id;
  } catch {
    // No git, or a source archive: the build works all the same and says so.
    return "unknown";
  }
}
