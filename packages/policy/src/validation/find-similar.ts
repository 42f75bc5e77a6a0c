/** Of one name, so many letters may be others than in the one that was meant. */
const MOST_DIFFERENCES = 2;

/** The one of some names that was probably meant by another one: `serviceAccounts` by `serviceAccount`, `app` by `App`. */
export function findSimilar(name: string, known: readonly string[]): string | undefined {
  const scored = known
    .filter((other) => Math.abs(other.length - name.length) <= MOST_DIFFERENCES)
    .map((other) => ({ other, distance: countDifferences(other.toLowerCase(), name.toLowerCase()) }))
    .toSorted((a, b) => a.distance - b.distance);
  const [best] = scored;
  // Of a short name so few letters are no likeness.
  const most = Math.min(MOST_DIFFERENCES, Math.floor(name.length / 3));
  return best !== undefined && best.distance <= most ? best.other : undefined;
}

/** Letters to be added, left out or replaced (Levenshtein). */
function countDifferences(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
