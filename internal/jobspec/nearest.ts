// The nearest known word to a mistyped one.

/** The known word that takes the fewest edits, undefined when none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(Math.min(word.length, 24) / 3));
  let best: string | undefined;
  let fewest = limit + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) > limit + 1) continue;
    const count = isContained(word, candidate) ? 1 : edits(word.toLowerCase(), candidate.toLowerCase());
    if (count < fewest) [best, fewest] = [candidate, count];
  }
  return best;
}

// --- internal ---

/** A plural, or a word with another separator, is near whatever its length. */
function isContained(word: string, candidate: string): boolean {
  const plain = (text: string) => text.toLowerCase().replace(/[-_]/g, "").replace(/s$/, "");
  return plain(word) === plain(candidate);
}

/** Insertions, deletions, replacements and swaps of neighbours between two words. */
function edits(a: string, b: string): number {
  let [beforeLast, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const change = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (isSame ? 0 : 1));
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(isSwap ? Math.min(change, (beforeLast[j - 2] ?? 0) + 1) : change);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
