/** At most `most` items of a list, in their order: the important ones, then the first of the others. */
export function shorten<T>(list: readonly T[], most: number, isImportant: (item: T) => boolean): readonly T[] {
  if (list.length <= most) return list;
  const kept = new Set([...list.filter(isImportant), ...list.filter((item) => !isImportant(item))].slice(0, most));
  return list.filter((item) => kept.has(item));
}

/** A line that stands for items that are not shown; none for none. */
export function renderHidden(count: number, what: string): readonly string[] {
  return count === 0 ? [] : [`… (${count} more ${what})`];
}
