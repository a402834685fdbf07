// A store on another machine, as PostgreSQL is: production SQLite code behind a link that delays, loses answers, and
// delivers requests late. A call whose answer does not come in time throws, as a database client does.

import type { LeaseRow, LeaseTake, Store, StoredContent } from "../../internal/store/store.ts";
import type { Machine, Program } from "./machines.ts";
import type { SimNetwork } from "./network.ts";

const CALL_TIMEOUT_MS = 4000;

export function linkedStore(parts: {
  readonly store: Store;
  readonly program: Program;
  readonly machine: Machine;
  readonly network: SimNetwork;
  /** Whom the database tells of commits, over all its connections. */
  readonly announced: Set<() => void>;
}): Store {
  const { store, program, machine, network, announced } = parts;
  const here = program.machine;
  let lastSent: Promise<unknown> = Promise.resolve();
  /** Requests of one connection arrive in the order in which they were made. */
  const ask = <T>(work: () => Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const timer = here.time.after(CALL_TIMEOUT_MS / here.rate, () => program.run(() => reject(new Error("the database did not answer in time"))));
      const before = lastSent;
      let isDone: () => void = () => undefined;
      lastSent = new Promise<void>((done) => {
        isDone = done;
      });
      network.carry(here, machine, () => {
        void before.then(work).then(
          (value) => {
            isDone();
            network.carry(machine, here, () => {
              timer.isCancelled = true;
              program.run(() => resolve(value));
            });
          },
          (error) => {
            isDone();
            network.carry(machine, here, () => {
              timer.isCancelled = true;
              program.run(() => reject(error));
            });
          },
        );
      });
    });
  return {
    isLocal: false,
    ttlMs: 2000,
    readLease: () => ask<LeaseRow>(() => store.readLease()),
    challengeLease: (challenge) => ask(() => store.challengeLease(challenge)),
    clearChallenge: (challenge) => ask(() => store.clearChallenge(challenge)),
    takeLease: (take: LeaseTake) => ask(() => store.takeLease(take)),
    releaseLease: (epoch) => ask(() => store.releaseLease(epoch)),
    schema: store.schema,
    migrate: (epoch, program) => ask(() => store.migrate(epoch, program)),
    load: (take) => ask(() => store.load(take)),
    tail: (afterIndex) => ask(() => store.tail(afterIndex)),
    onAdvance(call) {
      const arrive = () => network.carry(machine, here, () => program.run(call));
      announced.add(arrive);
      program.onCrash(() => announced.delete(arrive));
      return () => announced.delete(arrive);
    },
    commit: (sets, epoch) =>
      ask(async () => {
        const outcome = await store.commit(sets, epoch);
        for (const arrive of announced) arrive();
        return outcome;
      }),
    fold: (epoch, changesMax) => ask(() => store.fold(epoch, changesMax)),
    findDamage: () => store.findDamage(),
    upkeepDue: () => store.upkeepDue(),
    replace: (content: StoredContent, epoch) => ask(() => store.replace(content, epoch)),
    probe: (epoch) => ask(() => store.probe(epoch)),
    close: async () => undefined,
  };
}
