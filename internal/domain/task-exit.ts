// What the end of a process means, in words: exit codes as shells and runtimes use them, and signals by name.

export const SIGNAL_NAMES: Readonly<Record<number, string>> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  9: "SIGKILL",
  10: "SIGUSR1",
  11: "SIGSEGV",
  12: "SIGUSR2",
  13: "SIGPIPE",
  14: "SIGALRM",
  15: "SIGTERM",
};

export interface TaskExit {
  /** Null when it is unknown. */
  readonly code: number | null;
  /** 0 = none. */
  readonly signal: number;
  readonly isOom: boolean;
}

/** A sentence's worth of what the exit says of its cause. */
export function exitMeaning({ code, signal, isOom }: TaskExit): string {
  if (isOom) return "the kernel ended it for using more memory than it may: give it more (resources.memory), or let it use less";
  const number = signal > 0 ? signal : code !== null && code > 128 && code <= 128 + SIGNAL_MAX ? code - 128 : 0;
  if (number > 0) return `${SIGNAL_NAMES[number] ?? `signal ${number}`}: ${SIGNAL_MEANINGS[number] ?? "it was ended by a signal"}`;
  if (code === null) return "its exit status is unknown: the machine or the agent ended before it was written";
  return CODE_MEANINGS[code] ?? "an error of the program's own: its log says more";
}

// --- internal ---

const SIGNAL_MAX = 64;

const SIGNAL_MEANINGS: Readonly<Record<number, string>> = {
  1: "its terminal or its parent went away, or it was told to read its settings again",
  2: "it was interrupted, as by Ctrl-C",
  3: "it was told to quit and to leave a dump",
  4: "the processor did not know an instruction: a build for another processor?",
  6: "it gave up by itself, as after a failed assertion",
  7: "a wrong access to memory, or to a file that became shorter",
  8: "a wrong calculation, as a division by zero",
  9: "it was killed without a chance to end: by somebody, by the kernel for want of memory on the machine, or because it did not end in time",
  11: "it touched memory that is not its own: a bug of the program or of a library",
  13: "it wrote to something that nobody reads any more",
  14: "its alarm went off",
  15: "it was asked to end",
};

const CODE_MEANINGS: Readonly<Record<number, string>> = {
  0: "it ended well",
  1: "a general error: its log says more",
  2: "it was called wrongly, as a shell's or a program's own usage error",
  126: "the program was found and could not be executed: its mode, its format or its interpreter",
  127: "the program, or one that it runs, was not found",
};
