// What this build is: filled in by the build scripts, with a fallback when run from source.

declare const EDGECTL_VERSION: string | undefined;
declare const EDGECTL_COMMIT: string | undefined;

export const BUILD = {
  version: typeof EDGECTL_VERSION === "string" ? EDGECTL_VERSION : "0.1.0-dev",
  commit: typeof EDGECTL_COMMIT === "string" ? EDGECTL_COMMIT : "source",
} as const;
