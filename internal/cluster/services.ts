// What operators do with services: take one out of the lists while its alloc runs on.

import { EdgeError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { put } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";

/** The registration is listed no more, whatever becomes of its task; its alloc's successor has one of its own. */
export function hideService(view: View, input: { readonly allocId: string; readonly registrationId: string }, context: Context): Outcome<null> {
  const alloc = view.alloc(input.allocId);
  if (!alloc) throw new EdgeError("not-found", "service registration not found");
  const hidden = alloc.hiddenServices ?? [];
  if (hidden.includes(input.registrationId)) return { changes: [], result: null };
  if (hidden.length >= LIMITS.servicesPerGroupMax)
    throw new EdgeError("invalid", `an allocation may have ${LIMITS.servicesPerGroupMax} services at most (servicesPerGroupMax)`);
  return { changes: [put("allocs", { ...alloc, hiddenServices: [...hidden, input.registrationId], modifiedAtMs: context.nowMs })], result: null };
}
