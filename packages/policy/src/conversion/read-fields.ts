import type { DataFields, DataPlace } from '../validation/data-place.ts';

/** The fields of a map as the API server takes them, which drops those that are null. */
export function fieldsOf(place: DataPlace, known: readonly string[]): DataFields {
  return place.fields(known, 'object');
}

/** A map of any keys to texts. */
export function readTextMap(place: DataPlace): Readonly<Record<string, string>> | undefined {
  return readEachValue(place, readText);
}

/** A text; YAML takes `80` and `true` for something else unless they are in quotes. */
export function readText(place: DataPlace): string | undefined {
  const { value } = place;
  if (typeof value === 'number') return place.refuse(`text in quotes: "${value}"`);
  if (typeof value === 'boolean')
    return place.refuse(
      `text in quotes: "${value}", or ${value ? '"yes", "on" or "y"' : '"no", "off" or "n"'} if written so`,
    );
  return place.text();
}

/** A map of any keys, each value read; those that cannot be are noted and left out. */
export function readEachValue<T>(
  place: DataPlace,
  read: (value: DataPlace) => T | undefined,
): Readonly<Record<string, T>> | undefined {
  const { value } = place;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return place.refuse('a map');
  const fields = fieldsOf(place, Object.keys(value));
  const entries: [string, T][] = [];
  for (const key of Object.keys(value)) {
    const inside = fields.optional(key, read);
    if (inside !== undefined) entries.push([key, inside]);
  }
  return Object.fromEntries(entries);
}
