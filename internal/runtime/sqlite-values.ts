// Levels the two SQLite clients: what one accepts silently and the other refuses is refused by both.

/** The parameters, or a throw when one is undefined (bun:sqlite would store NULL) or an unsafe integer. */
export function refuseUndefined(params: readonly unknown[]): readonly unknown[] {
  for (const value of params) {
    if (value === undefined) throw new TypeError("undefined cannot be bound to an SQL parameter");
    if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value))
      throw new RangeError(`integer ${value} is beyond 2^53 and cannot be bound to an SQL parameter`);
  }
  return params;
}
