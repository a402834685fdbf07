// What a task is given before it runs, and what is run in it later: files, templates, secrets, identities, volumes, actions.
// A part of the job model; see job.ts.

import type { JsonMap, StringMap } from "./job.ts";

export interface Artifact {
  readonly source: string;
  readonly destination: string;
  readonly mode: "any" | "file" | "dir";
  readonly options: StringMap;
  readonly headers: StringMap;
  readonly insecure: boolean;
  readonly chown: boolean;
}

export interface ChangeScript {
  readonly command: string;
  readonly args: readonly string[];
  readonly timeoutMs: number;
  readonly failOnError: boolean;
  readonly runOnFirstRender: boolean;
}

export interface Template {
  readonly source: string;
  readonly destination: string;
  readonly data: string;
  readonly changeMode: "restart" | "signal" | "noop" | "script";
  readonly changeSignal: string;
  readonly changeScript: ChangeScript | null;
  readonly splayMs: number;
  readonly perms: string;
  readonly uid: number | null;
  readonly gid: number | null;
  readonly leftDelimiter: string;
  readonly rightDelimiter: string;
  readonly env: boolean;
  readonly errorOnMissingKey: boolean;
  readonly once: boolean;
  readonly wait: { readonly minMs: number; readonly maxMs: number } | null;
}

export interface Vault {
  readonly role: string;
  readonly policies: readonly string[];
  readonly env: boolean;
  readonly disableFile: boolean;
  readonly changeMode: string;
  readonly changeSignal: string;
  readonly namespace: string;
  readonly cluster: string;
  readonly allowTokenExpiration: boolean;
}

export interface Identity {
  readonly name: string;
  readonly aud: readonly string[];
  readonly env: boolean;
  readonly file: boolean;
  readonly filepath: string;
  readonly ttlMs: number;
  readonly changeMode: string;
  readonly changeSignal: string;
  readonly serviceName: string;
  readonly extraClaims: StringMap;
}

export interface Secret {
  readonly name: string;
  readonly provider: string;
  readonly path: string;
  readonly config: JsonMap;
  readonly env: StringMap;
}

export interface VolumeMount {
  readonly volume: string;
  readonly destination: string;
  readonly readOnly: boolean;
  readonly propagationMode: string;
  readonly selinuxLabel: string;
}

export interface Action {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}
