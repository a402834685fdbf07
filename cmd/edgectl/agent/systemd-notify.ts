// Tells systemd how the agent stands (sd_notify), when systemd asked for it.

import type { Runtime } from "../../../internal/runtime/runtime.ts";

/** Does nothing unless NOTIFY_SOCKET is set. Datagram sockets of this kind are out of reach, so systemd's own tool sends. */
export async function notifySystemd(runtime: Runtime, state: string): Promise<void> {
  const socket = runtime.host.env.NOTIFY_SOCKET;
  if (!socket) return;
  await runtime.processes.run("systemd-notify", [`--pid=${runtime.host.pid}`, state], {
    timeoutMs: 5000,
    env: { PATH: runtime.host.env.PATH ?? "/usr/bin:/bin", NOTIFY_SOCKET: socket },
  });
}
