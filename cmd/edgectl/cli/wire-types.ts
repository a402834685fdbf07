// The parts of Nomad's JSON that commands print. Anything may be null there: Go encodes empty lists and maps so.

type Maybe<T> = T | null | undefined;

export interface JobStub {
  readonly ID: string;
  readonly ParentID: string;
  readonly Namespace: string;
  readonly Type: string;
  readonly Priority: number;
  readonly Status: string;
  readonly Stop: boolean;
  readonly Periodic: boolean;
  readonly ParameterizedJob: boolean;
  readonly SubmitTime: number;
}

export interface WireTask {
  readonly DependsOn?: Maybe<Readonly<Record<string, string>>>;
  readonly Name: string;
  readonly Driver: string;
  readonly Lifecycle?: Maybe<{ readonly Hook: string; readonly Sidecar: boolean }>;
}

export interface WireGroup {
  readonly Name: string;
  readonly Count: number;
  readonly Update?: Maybe<{ readonly HealthCheck: string }>;
  readonly Tasks: readonly WireTask[];
}

export interface WireJob {
  readonly ID: string;
  readonly Name: string;
  readonly ParentID: string;
  readonly Namespace: string;
  readonly NodePool: string;
  readonly Type: string;
  readonly Priority: number;
  readonly Datacenters: Maybe<readonly string[]>;
  readonly Status: string;
  /** Absent from older servers. */
  readonly StatusDescription?: string;
  readonly Stop: boolean;
  readonly Stable: boolean;
  readonly Dispatched?: boolean;
  readonly Version: number;
  readonly VersionTag?: Maybe<{ readonly Name: string; readonly Description: string }>;
  readonly SubmitTime: number;
  readonly JobModifyIndex: number;
  readonly Periodic?: Maybe<{
    readonly RunOn?: string;
    readonly Enabled: boolean;
    readonly Spec?: string;
    readonly Specs?: Maybe<readonly string[]>;
    readonly TimeZone?: string;
    readonly ProhibitOverlap: boolean;
  }>;
  readonly ParameterizedJob?: Maybe<{
    readonly Payload: string;
    readonly MetaRequired: Maybe<readonly string[]>;
    readonly MetaOptional: Maybe<readonly string[]>;
  }>;
  readonly TaskGroups: readonly WireGroup[];
}

export interface WireTaskEvent {
  readonly Type: string;
  readonly Time: number;
  readonly DisplayMessage: string;
}

export interface WireTaskState {
  readonly State: string;
  readonly Failed: boolean;
  readonly Restarts: number;
  /** "" = it runs as its schedule says, or has none; absent from older servers. */
  readonly Paused?: string;
  readonly LastRestart: string | null;
  readonly StartedAt: string | null;
  readonly FinishedAt: string | null;
  readonly Events: Maybe<readonly WireTaskEvent[]>;
}

export interface AllocStub {
  readonly ID: string;
  readonly EvalID: string;
  readonly Name: string;
  readonly Namespace: string;
  readonly NodeID: string;
  readonly NodeName: string;
  readonly JobID: string;
  readonly JobVersion: number;
  readonly TaskGroup: string;
  readonly DesiredStatus: string;
  readonly DesiredDescription: string;
  readonly ClientStatus: string;
  readonly ClientDescription: string;
  readonly TaskStates: Maybe<Readonly<Record<string, WireTaskState>>>;
  readonly DeploymentStatus: Maybe<{ readonly Healthy: boolean | null }>;
  readonly FollowupEvalID: string;
  readonly NextAllocation: string;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
  readonly CreateTime: number;
  readonly ModifyTime: number;
}

export interface WireMetric {
  readonly NodesEvaluated: number;
  readonly NodesFiltered: number;
  readonly NodesInPool: number;
  readonly NodesAvailable: Maybe<Readonly<Record<string, number>>>;
  readonly ClassFiltered: Maybe<Readonly<Record<string, number>>>;
  readonly ConstraintFiltered: Maybe<Readonly<Record<string, number>>>;
  readonly NodesExhausted: number;
  readonly DimensionExhausted: Maybe<Readonly<Record<string, number>>>;
  readonly CoalescedFailures: number;
  readonly ScoreMetaData?: Maybe<
    readonly { readonly NodeID: string; readonly Scores: Maybe<Readonly<Record<string, number>>>; readonly NormScore: number }[]
  >;
}

export interface WirePort {
  readonly Label: string;
  readonly Value: number;
  readonly To: number;
  readonly HostIP?: string;
}

export interface WireAlloc extends Omit<AllocStub, "JobVersion"> {
  readonly Job: Maybe<WireJob>;
  readonly PreviousAllocation: string;
  readonly DesiredTransition?: Maybe<{ readonly Migrate: Maybe<boolean> }>;
  readonly Metrics: Maybe<WireMetric>;
  readonly Decisions?: Maybe<readonly { readonly Kind: string; readonly Reason: string; readonly Time: number }[]>;
  readonly AllocatedResources: Maybe<{
    readonly Tasks: Maybe<
      Readonly<
        Record<
          string,
          {
            readonly Cpu: { readonly CpuShares: number; readonly ReservedCores?: Maybe<readonly number[]> };
            readonly Memory: { readonly MemoryMB: number; readonly MemoryMaxMB: number };
            readonly Devices?: Maybe<readonly WireDevice[]>;
          }
        >
      >
    >;
    readonly Shared: { readonly DiskMB: number; readonly Ports: Maybe<readonly WirePort[]> };
  }>;
  readonly PreemptedByAllocation?: string;
  readonly PreemptedAllocations?: Maybe<readonly string[]>;
}

export interface WireDevice {
  readonly Vendor: string;
  readonly Type: string;
  readonly Name: string;
  readonly DeviceIDs: Maybe<readonly string[]>;
  /** Of a whole device absent. */
  readonly Share?: number;
}

export interface WireEval {
  readonly ID: string;
  readonly Namespace: string;
  readonly Priority: number;
  readonly Type: string;
  readonly TriggeredBy: string;
  readonly JobID: string;
  readonly NodeID: string;
  readonly Status: string;
  readonly StatusDescription: string;
  readonly WaitUntil: string | null;
  readonly NextEval: string;
  readonly PreviousEval: string;
  readonly BlockedEval: string;
  readonly FailedTGAllocs: Maybe<Readonly<Record<string, WireMetric>>>;
  readonly QueuedAllocations: Maybe<Readonly<Record<string, number>>>;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
  readonly CreateTime: number;
  readonly ModifyTime: number;
}

export interface NodeStub {
  readonly ID: string;
  readonly Name: string;
  readonly Datacenter: string;
  readonly NodePool: string;
  readonly NodeClass: string;
  readonly Status: string;
  readonly SchedulingEligibility: string;
  readonly Drain: boolean;
  readonly Version: string;
  readonly Address: string;
}

export interface WireNode extends NodeStub {
  readonly Attributes: Maybe<Readonly<Record<string, string>>>;
  readonly Meta: Maybe<Readonly<Record<string, string>>>;
  readonly StatusDescription: string;
  readonly StatusUpdatedAt: number;
  readonly DrainStrategy?: Maybe<{
    /** In nanoseconds: below 0 by force, 0 none. */
    readonly Deadline: number;
    readonly IgnoreSystemJobs: boolean;
    readonly ForceDeadline: string;
    readonly StartedAt: string;
  }>;
  readonly LastDrain?: Maybe<{
    readonly Status: string;
    readonly StartedAt: string;
    readonly UpdatedAt: string;
    readonly Meta: Maybe<Readonly<Record<string, string>>>;
  }>;
  readonly Drivers: Maybe<Readonly<Record<string, { readonly Detected: boolean; readonly Healthy: boolean; readonly HealthDescription: string }>>>;
  readonly NodeResources: Maybe<{
    readonly Cpu: { readonly CpuShares: number };
    readonly Memory: { readonly MemoryMB: number };
    readonly Disk: { readonly DiskMB: number };
    readonly Devices?: Maybe<
      readonly {
        readonly Vendor: string;
        readonly Type: string;
        readonly Name: string;
        readonly Instances: Maybe<readonly { readonly ID: string; readonly Healthy: boolean }[]>;
      }[]
    >;
  }>;
  readonly HostVolumes?: Maybe<Readonly<Record<string, { readonly Path: string; readonly ReadOnly: boolean }>>>;
  readonly HostNetworks?: Maybe<Readonly<Record<string, { readonly CIDR: string; readonly Interface: string }>>>;
  readonly Conditions?: Maybe<readonly { readonly Name: string; readonly Message: string; readonly Fix: string }[]>;
  readonly Events: Maybe<
    readonly {
      readonly Message: string;
      readonly Subsystem: string;
      readonly Timestamp: string;
      readonly Details?: Maybe<Readonly<Record<string, string>>>;
    }[]
  >;
}

export interface WireSummary {
  readonly Summary: Maybe<
    Readonly<Record<string, Readonly<Record<"Queued" | "Starting" | "Running" | "Failed" | "Complete" | "Lost" | "Unknown", number>>>>
  >;
  readonly Children: Maybe<{ readonly Pending: number; readonly Running: number; readonly Dead: number }>;
}

export interface WireDeploymentGroup {
  readonly AutoRevert: boolean;
  readonly AutoPromote: boolean;
  readonly RequireProgressBy: string;
  readonly Promoted: boolean;
  readonly DesiredCanaries: number;
  readonly DesiredTotal: number;
  readonly PlacedAllocs: number;
  readonly HealthyAllocs: number;
  readonly UnhealthyAllocs: number;
}

export interface WireDeployment {
  readonly ID: string;
  readonly Namespace: string;
  readonly JobID: string;
  readonly JobVersion: number;
  readonly Status: string;
  readonly StatusDescription: string;
  readonly TaskGroups: Maybe<Readonly<Record<string, WireDeploymentGroup>>>;
}

/** What a write on a deployment answers with. */
export interface DeploymentReply {
  readonly EvalID: string;
  readonly DeploymentModifyIndex: number;
  readonly RevertedJobVersion: number | null;
}

/** What a write that makes an evaluation answers with. */
export interface EvalReply {
  readonly EvalID: string;
  readonly EvalCreateIndex: number;
  readonly JobModifyIndex: number;
  readonly Warnings?: string;
}

export interface WireFile {
  readonly Name: string;
  readonly IsDir: boolean;
  readonly Size: number;
  readonly FileMode: string;
  readonly ModTime: string;
}

export interface AgentSelf {
  readonly config: Readonly<Record<string, unknown>>;
  readonly member: unknown;
  readonly stats: Maybe<Readonly<Record<string, Readonly<Record<string, string>>>>>;
}

/** A node that fires a job by itself. */
export interface WireFiring {
  readonly NodeID: string;
  readonly NodeName: string;
  readonly NextAt: string | null;
  readonly LastAt: string | null;
  readonly LastStatus: string;
  readonly LastReason: string;
  readonly LastChildID: string;
  readonly GivenUp: number;
  readonly Skipped: number;
  readonly UntoldSince: string | null;
}
