// Sets of whole numbers as people and the kernel write them: "0-3,5,8000-8010".

/** The numbers in rising order, each once; null when the text is no such set or a number is above `max`. */
export function parseNumbers(text: string, max: number): readonly number[] | null {
  const numbers = new Set<number>();
  for (const part of text.split(",").map((piece) => piece.trim())) {
    if (part === "") continue;
    const [, from = "", to = from] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part) ?? [];
    if (from === "" || Number(to) < Number(from) || Number(to) > max) return null;
    for (let number = Number(from); number <= Number(to); number++) numbers.add(number);
  }
  return [...numbers].sort((a, b) => a - b);
}

/** The same the other way: runs of three and more become ranges. */
export function printNumbers(numbers: readonly number[]): string {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  const runs: [number, number][] = [];
  for (const number of sorted) {
    const last = runs.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : to === from + 1 ? `${from},${to}` : `${from}-${to}`)).join(",");
}
