/** How much of two texts is the same at their beginning and their end: from 0, nothing, to 1, they are equal. */
export function closeness(a: string, b: string): number {
  const longest = Math.max(a.length, b.length);
  const shortest = Math.min(a.length, b.length);
  if (longest === 0) return 1;
  let same = 0;
  while (same < shortest && a.charCodeAt(same) === b.charCodeAt(same)) same++;
  let atEnd = 0;
  while (atEnd < shortest - same && a.charCodeAt(a.length - 1 - atEnd) === b.charCodeAt(b.length - 1 - atEnd)) atEnd++;
  return (same + atEnd) / longest;
}
