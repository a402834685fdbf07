// The JSON text of a row, made once: the journal, the packed tables and the store all need the same.

const texts = new WeakMap<object, string>();

/** Rows never change once they are made, so their text does not either. */
export function rowText(row: object): string {
  const known = texts.get(row);
  if (known !== undefined) return known;
  const text = JSON.stringify(row);
  texts.set(row, text);
  return text;
}

/** The text without keeping it: for rows that live on as objects. */
export function rowTextOnce(row: object): string {
  return texts.get(row) ?? JSON.stringify(row);
}
