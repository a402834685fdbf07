// What an agent tells its server of itself, where there is a server alone.

export function serverFacts(version: string) {
  return { version, commit: "", datacenter: "dc1", isClient: false, nodeId: () => "", isNodeJoined: () => false, allocs: () => [], config: {} };
}
