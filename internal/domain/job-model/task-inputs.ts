// Table of what a task is given before it starts: artifacts, templates, Vault, secrets.

import type { Artifact, ChangeScript, Secret, Template, Vault } from "../job-inputs.ts";
import { block, bool, choice, duration, json, maybeInt, maybeOne, stringMap, strings, text } from "./dsl.ts";

export const ARTIFACT = block<Artifact>("artifact", {
  source: text("Where it is fetched from", { wire: "GetterSource", isRequired: true }),
  destination: text("Where it goes, below the task's directory", { wire: "RelativeDest", default: "local/" }),
  mode: choice("What the source is", ["any", "file", "dir"], "any", { wire: "GetterMode" }),
  options: stringMap("Options of the download, such as checksum", { wire: "GetterOptions" }),
  headers: stringMap("HTTP headers", { wire: "GetterHeaders" }),
  insecure: bool("Takes any certificate", false, { wire: "GetterInsecure" }),
  chown: bool("Gives the files to the task's user"),
});

const CHANGE_SCRIPT = block<ChangeScript>("change_script", {
  command: text("Program to run in the task", { isRequired: true }),
  args: strings("Its arguments"),
  timeoutMs: duration("Time after which it has failed", 5000),
  failOnError: bool("Stops the task when the script fails"),
  runOnFirstRender: bool("Runs it after the first rendering too"),
});

export const TEMPLATE = block<Template>("template", {
  source: text("File with the template", { wire: "SourcePath" }),
  destination: text("Where the result goes, below the task's directory", { wire: "DestPath", isRequired: true }),
  data: text("The template itself", { wire: "EmbeddedTmpl" }),
  changeMode: choice("What happens when the result changes", ["restart", "signal", "noop", "script"], "restart"),
  changeSignal: text("Signal sent when it changes"),
  changeScript: maybeOne(CHANGE_SCRIPT, "Program run when it changes"),
  splayMs: duration("Largest random delay before the change is acted on", 5000),
  perms: text("Mode of the file", { default: "0644" }),
  uid: maybeInt("User that owns the file"),
  gid: maybeInt("Group that owns the file"),
  leftDelimiter: text("Opens an action", { default: "{{", wire: "LeftDelim" }),
  rightDelimiter: text("Closes an action", { default: "}}", wire: "RightDelim" }),
  env: bool("Reads the result as environment variables", false, { wire: "Envvars" }),
  errorOnMissingKey: bool("Fails on a missing key", false, { wire: "ErrMissingKey" }),
  once: bool("Renders once only"),
  wait: maybeOne(
    block<NonNullable<Template["wait"]>>("wait", {
      minMs: duration("Shortest wait for more changes", 5000),
      maxMs: duration("Longest wait for more changes", 240_000),
    }),
    "How long changes are gathered",
  ),
});

export const VAULT = block<Vault>("vault", {
  role: text("Role of the token"),
  policies: strings("Policies of the token"),
  env: bool("Gives the token in VAULT_TOKEN", true),
  disableFile: bool("Writes no token file"),
  changeMode: text("What happens when the token changes", { default: "restart" }),
  changeSignal: text("Signal sent when it changes"),
  namespace: text("Vault namespace"),
  cluster: text("Vault cluster", { default: "default" }),
  allowTokenExpiration: bool("Lets the token run out"),
});

export const SECRET = block<Secret>("secret", {
  name: text("Name of the secret", { isRequired: true }),
  provider: text("Where it is kept", { isRequired: true }),
  path: text("Its path there", { isRequired: true }),
  config: json("The provider's own settings"),
  env: stringMap("Environment of the provider's plugin"),
});
