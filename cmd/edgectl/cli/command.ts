// What a leaf command is: its words of help, its options, and a function to an exit status.

import type { Runtime } from "../../../internal/runtime/runtime.ts";
import type { Api } from "./api.ts";
import type { Output } from "./output.ts";
import type { Progress } from "./progress.ts";

/** An option as citty defines it, with what citty lacks. */
export interface OptionDefinition {
  readonly type: "boolean" | "string";
  readonly description: string;
  readonly alias?: readonly string[];
  readonly valueHint?: string;
  /** May be given again: every value counts, see `Call.repeated`. */
  readonly isRepeated?: true;
  /** What the option means when no value follows it; the value must look like this pattern to be taken. */
  readonly bare?: { readonly value: string; readonly valuePattern: RegExp };
  /** Understood, but left out of help. */
  readonly isHidden?: true;
}

export type OptionDefinitions = Readonly<Record<string, OptionDefinition>>;

/** Everything a command is given. */
export interface Call<O extends OptionDefinitions = OptionDefinitions> {
  readonly runtime: Runtime;
  readonly api: Api;
  readonly output: Output;
  readonly progress: Progress;
  readonly options: Options<O>;
  /** What is no option, in order. */
  readonly operands: readonly string[];
  /** All values of an option that may be given again. */
  repeated(option: string): readonly string[];
  /** `nomad` when called by that name: some of its options mean something else. */
  readonly calledAs: "edgectl" | "nomad";
  readonly isVerbose: boolean;
}

/** A switch that was not given, and an option without a value, are undefined. */
export type Options<O extends OptionDefinitions> = { readonly [K in keyof O]?: ValueOf<O[K]["type"]> | undefined };

type ValueOf<T> = T extends "boolean" ? boolean : string;

export interface Command<O extends OptionDefinitions = OptionDefinitions> {
  /** What one should know beyond the summary in the table of commands. */
  readonly description?: string;
  /** As in `JOB [TASK]`; required words without brackets, `...` for any number. */
  readonly operands: string;
  /** Command lines without the program's name, each with what it does. */
  readonly examples: readonly (readonly [string, string])[];
  readonly options: O;
  /** After so many operands every word is one, as it is: another program's command line. */
  readonly isVerbatimAfter?: number;
  /** Exit status of an error; 1 unless given. */
  readonly failureStatus?: number;
  run(call: Call<O>): Promise<number>;
}

/** Gives a command's options their types. */
export function defineEdgeCommand<const O extends OptionDefinitions>(command: Command<O>): Command<O> {
  return command;
}

/** Exit statuses. */
export const DONE = 0;
export const FAILED = 1;
export const NOT_PLACED = 2;
