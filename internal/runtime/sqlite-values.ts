// Levels the two SQLite clients: what one accepts silently and the other refuses is refused by both.

/** The parameters, or a throw where a client would store something else: undefined (NULL), an unsafe integer, text with a NUL (cut when read). */
export function refuseUndefined(params: readonly unknown[]): readonly unknown[] {
  for (const value of params) {
    if (value === undefined) throw new TypeError("undefined cannot be bound to an SQL parameter");
    if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value))
      throw new RangeError(`integer ${value} is beyond 2^53 and cannot be bound to an SQL parameter`);
    if (typeof value === "string" && value.includes("\u0000")) throw new RangeError("text with a NUL character cannot be bound to an SQL parameter");
  }
  return params;
}
