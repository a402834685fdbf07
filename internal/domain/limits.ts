// Every limit edgectl has, in one place, with its unit in its name.
// An error that refuses something for its size names the limit from here.

export const LIMITS = {
  /** A job file, and the body of any request unless a route says otherwise. */
  jobFileBytesMax: 1_000_000,
  /** A TOML line, multi-line strings and comments apart: parsing takes time in the square of it. */
  tomlLineCharsMax: 8192,
  tomlDepthMax: 64,
  requestBodyBytesMax: 4_000_000,
  jobIdCharsMax: 255,
  nameCharsMax: 128,
  groupsPerJobMax: 500,
  tasksPerGroupMax: 100,
  volumeMountsPerTaskMax: 100,
  jobCountMax: 50_000,
  jobVersionsTracked: 6,
  jobPriorityMax: 100,
  dispatchPayloadBytesMax: 16_384,
  scalingEventsPerGroupMax: 20,
  uiTextCharsMax: 1000,
  envBytesMax: 1_000_000,
  taskEventsKept: 10,
  nodeEventsKept: 10,
  /** Of the meta that operators set on a node while it runs. */
  nodeMetaKeysMax: 256,
  nodeMetaValueCharsMax: 4096,
  /** Shortest time in which a node tells the same kind of trouble again. */
  nodeEventPauseMs: 600_000,
  /** Messages with events that a server takes from one node within a minute; the rest is dropped. */
  nodeEventMessagesPerMinuteMax: 10,
  rescheduleEventsKept: 5,
  allocDecisionsKept: 10,
  nodesInMetricsMax: 5,
  /** Placements of one evaluation's group that name their best nodes; later ones name the one they took, so that a million allocs fit in memory. */
  placementsScoredFully: 20,

  filterCharsMax: 4096,
  filterDepthMax: 64,
  perPageMax: 10_000,
  patternCharsMax: 1000,
  patternDepthMax: 50,
  /** Steps of a compiled pattern, repetitions written out. */
  patternStepsMax: 5000,
  /** Steps times characters of one match. */
  patternWorkMax: 5_000_000,
  blockingWaitMsMax: 300_000,
  blockingWaitMsDefault: 300_000,

  frameBytesMax: 16_384,
  streamCreditBytes: 65_536,
  /** Pieces of all streams of a node together that are on their way one way: what is urgent finds no more ahead of it. */
  linkWindowBytes: 65_536,
  /** How long a connection of a node may say nothing before its hello. */
  helloWaitMsMax: 10_000,
  nodeMessageBytesMax: 16_000_000,
  streamsPerNodeMax: 256,
  reportAllocsPerBatchMax: 200,
  /** Rows of journal that are read at once by a server that follows. */
  tailRowsMax: 64,
  /** Newest indexes that stay in the journal after folding, for those that read on from where they were. */
  journalIndexesKept: 1000,
  /** Event streams of one server. */
  eventStreamsMax: 128,
  /** Readers of one agent's log, and lines that wait for one of them. */
  logWatchersMax: 32,
  monitorLinesMax: 512,
  eventHeartbeatMs: 10_000,
  /** Newest indexes that a stream without an index begins with. */
  eventIndexesReplayed: 100,
  /** Change sets kept for streams that keep up, and taken up by one of them at once. */
  eventSetsInMemoryMax: 256,
  eventSetsReadMax: 64,
  /** A stream that nobody reads for so long, and that is so many indexes behind, is cut off. */
  eventStallMsMax: 10_000,
  eventLagIndexesMax: 500,
  /** How long a write waits for another process that writes. */
  storeBusyMsMax: 3000,
  /** How long opening a store waits for the same, until its holder ends or is killed. */
  storeOpenBusyMsMax: 20_000,
  /** Connecting to one host of a store over the network, its greeting included. */
  storeConnectMsMax: 3000,
  /** One statement's answer from such a store; beyond it the connection is given up. */
  storeAnswerMsMax: 10_000,
  /** The same for a read of the lease: a later answer confirms nothing any more. */
  storeLeaseAnswerMsMax: 2000,
  /** The same for statements that move everything there is. */
  storeRebuildMsMax: 600_000,
  /** A transaction that says nothing for so long is ended by the store, so that a paused server locks nobody out. */
  storeIdleTransactionMsMax: 3000,
  storeReconnectMsMin: 50,
  storeReconnectMsMax: 1000,
  /** Between two looks whether the connection that waits for notifications still answers. */
  storeListenCheckMs: 15_000,
  storeRowsPerPage: 500,
  /** A snapshot as a file or the body of a request. */
  snapshotBytesMax: 256_000_000,
  /** The same unpacked, so that a small file cannot fill the memory. */
  snapshotContentBytesMax: 2_000_000_000,
  /** Epochs and indexes left out after a restore that cannot know which were used since the snapshot was made. */
  restoreSkip: 1_000_000,
  /** Unpacked bytes that are packed together. */
  snapshotBlockBytes: 1_000_000,
  /** Servers of one region that follow a leader. */
  serversMax: 64,
  /** How long a server that failed or left is still listed. */
  deadServerKeptMs: 86_400_000,
  /** How long a command repeats a write that no leader took. */
  writeRetryMsMax: 5000,
  /** How long a request waits on a standby for a leader to be there. */
  leaderWaitMsMax: 5000,
  /** How long a write is waited for at a server that leads no more. */
  lateAnswerMsMax: 500,
  /** How long a server of another region may take to say that it lives. */
  regionProbeMsMax: 1500,
  /** Bytes that one end of a relayed WebSocket has not taken, above which the other waits. */
  relayedBytesMax: 262_144,
  /** Frames kept for a relayed WebSocket until its other end is open. */
  relayEarlyFramesMax: 64,
  /** Servers that a request may pass on its way to the leader. */
  forwardHopsMax: 2,
  /** Pause before a status report that the server could not store is sent again. */
  reportRetryMs: 5000,

  evalDeliveriesMax: 3,
  evalDelayMsMax: 300_000,
  sliceMs: 10,
  /** Placements of one slice; what it costs to apply and to write them belongs to its time. */
  placementsPerSliceMax: 500,
  /** Changes that may wait for one commit before evaluations wait for it too. */
  pendingChangesMax: 500,
  journalChangesPerRowMax: 1000,

  /** Rows that one step of garbage collection looks at, and changes after which it stops for other work. */
  gcRowsPerSliceMax: 1000,
  gcChangesPerSliceMax: 1000,

  /** Rows that have ended are packed together: up to so many, or as soon as they have so much text. */
  coldRowsPerBlock: 64,
  coldBlockChars: 65_536,
  /** A block with more text, for the sake of one row, stays as it is: packing it would stop all else for too long. */
  coldPackedCharsMax: 524_288,
  /** Packed blocks of one table that stay unpacked for the next reader. */
  coldBlocksUnpacked: 8,

  catchUpFiresMax: 100,
  cronsPerJobMax: 20,

  concurrencyKeyCharsMax: 255,
  /** Runs of one concurrency key at once, and such that may wait for it. */
  concurrencyLimitMax: 1000,
  concurrencyQueueMax: 1000,

  killTimeoutMsMax: 30_000,
  /** A task is warned before its max_run_duration is over: a tenth of it ahead, at most this. */
  runLimitLeadMsMax: 300_000,
  /** How long a task must have run to count as healthy where its group has no update block. */
  minHealthyTimeMsDefault: 10_000,
  heartbeatTtlMsMin: 10_000,
  heartbeatGraceMs: 10_000,
  heartbeatTtlMsMax: 3_600_000,
  /** Nodes that were lost together are marked so many at once, between which the server answers others. */
  silentNodesPerSliceMax: 100,
  /** Allocs of draining nodes that are told to move in one change set. */
  drainMarksPerStepMax: 500,
  drainDeadlineMsMax: 365 * 86_400_000,
  connectBackoffMsMin: 250,
  connectBackoffMsMax: 15_000,
  /** The same for a node that was refused again and again. */
  refusedBackoffMsMax: 120_000,

  nodeNameCharsMax: 255,
  /** Join tokens of a region, used up and expired ones that are still listed among them. */
  joinTokensMax: 1000,
  /** Nodes that one of them admits. */
  joinTokenUsesMax: 10_000,
  joinTokenTtlMsMin: 1000,
  joinTokenTtlMsMax: 365 * 86_400_000,
  /** What a device may show as one. */
  joinTokenCharsMax: 128,
  /** Wrong secrets for one token in a minute; beyond it the right one has to wait too. */
  joinGuessesPerMinuteMax: 10,
  refusedNodesKept: 100,

  /** Commands beside the tasks of one allocation, and of one node, at a time. */
  commandsPerAllocMax: 16,
  commandsPerNodeMax: 64,
  /** Words of such a command with their ends: they come in an address, which may not be much longer. */
  commandBytesMax: 8192,
  /** How long a command whose reader is gone may take to end after its hang-up. */
  commandHangUpMs: 2000,

  logPollMs: 1000,
  logPollMsMax: 4000,
  logFollowPollMs: 250,
  attachPollMs: 500,
  /** Two readings from which a use per second is told lie so far apart; an earlier one counts for so long. */
  statsApartMsMin: 200,
  statsKeptMs: 15_000,
  /** Between two looks at what allocations take of the disk, where that is enforced. */
  diskLookMs: 15_000,
  /** What the whole disk must have grown by before they are measured again. */
  diskGrowthBytesMin: 1_048_576,
  /** How long measuring one may take: a card that is busy, or very many files. */
  diskMeasureMsMax: 60_000,
  /** Processes of one task that are told of one by one. */
  statsProcessesMax: 200,
  taskStartMsMax: 10_000,
  /** Processes and threads of an isolated task that says no number of its own. */
  taskPidsMax: 1024,
  /** Fires that a node decided and no server knows yet; beyond it the oldest of a job become one record that counts them. */
  firesKeptOnNodeMax: 2000,

  /** An executable that takes this one's place. */
  upgradeProgramBytesMax: 250_000_000,
  /** A signature or a public key, as a file. */
  upgradeKeyCharsMax: 4096,
  /** Starts of a new program that nobody watched to its end; beyond it the one before is put back. */
  upgradeStartsMax: 6,
  upgradeLookMs: 200,
  /** How long one answer of an agent that is watched may take. */
  upgradeAnswerMsMax: 3000,
  /** How long whatever started the agent has for starting it again, before the watcher does. */
  upgradeSupervisorMsMax: 4000,
  upgradeTakeOverMsMax: 30_000,
  upgradeHealthyWithinMsMax: 3_600_000,
  /** A program goes to a node in such pieces, one at a time. */
  upgradePieceBytes: 65_536,
  fleetNodesMax: 5000,
  fleetProgramsMax: 8,
  fleetLookMs: 1000,
  /** How long a node of the wave may be away. */
  fleetNodeAwayMsMax: 600_000,

  /** What is read of a check's answer, and what of it is told to the server. */
  checkOutputBytesMax: 3000,
  checkOutputToldCharsMax: 300,
  /** Between two of one check, however long it took. */
  checkPauseMsMin: 200,
  /** Checks of one group, those of its tasks included. */
  checksPerGroupMax: 100,
  servicesPerGroupMax: 100,

  /** One message of an external driver, and of one to it. */
  driverLineCharsMax: 262_144,
  /** What such a driver gives to find its task again. */
  driverHandleCharsMax: 16_384,
  /** Words that it puts before a command in its task: with the command they are one word of a terminal's command line. */
  driverEnterBytesMax: 16_384,
  /** The environment of those words, as JSON. */
  driverEnterEnvBytesMax: 65_536,
  driverConfigKeysMax: 200,
  driverAttributesMax: 100,
  /** What it may say unasked in ten seconds. */
  driverEventsMax: 100,
  driverAnswerMsMax: 10_000,
  /** The same for what may take its time: start and stop. */
  driverWorkMsMax: 60_000,
  /** How often a driver that holds tasks is asked whether it lives. */
  driverPingMs: 60_000,
  /** After which time without tasks and questions its process is ended. */
  driverIdleMs: 30_000,
  driverRestartMsMin: 250,
  driverRestartMsMax: 60_000,
  externalDriversMax: 32,

  problemsPerJobMax: 100,
  jobFileDepthMax: 32,
  variablesPerJobMax: 1000,
  checkNotesCharsMax: 255,
  blocksPerListMax: 1000,
  problemCharsMax: 500,
} as const;
