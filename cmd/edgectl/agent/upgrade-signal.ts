// How an agent is told of an upgrade: by a signal, which only its own user and root may send.

/** Asks a running agent to look at what was prepared for it. */
export const UPGRADE_SIGNAL = "SIGUSR2";
