// Whole numbers from options and operands.

import { EdgeError } from "../../../internal/domain/errors.ts";

/** Undefined stays so. Throws `invalid` for anything but a whole number from 0. */
export function wholeNumber(option: string, text: string | boolean | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(String(text))) throw new EdgeError("invalid", `--${option} "${text}" is no whole number`);
  return Number(text);
}
