import { readFileSync } from 'node:fs';

/** A file of the package's test certificates. */
export function fixtureText(name: string): string {
  return readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8');
}
