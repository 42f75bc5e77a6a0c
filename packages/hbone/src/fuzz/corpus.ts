import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NAME_DIGITS = 16;

/** The committed inputs of a target, by file name. */
export function readCorpus(target: string): Map<string, Uint8Array> {
  return readInputs(fileURLToPath(new URL(`../../corpus/${target}`, import.meta.url)));
}

/** The inputs in a folder; none if there is no such folder. */
export function readInputs(folder: string): Map<string, Uint8Array> {
  mkdirSync(folder, { recursive: true });
  return new Map(
    readdirSync(folder)
      .toSorted()
      .map((name) => [name, readFileSync(join(folder, name))]),
  );
}

/** Writes an input under a name made of its content; answers the path. */
export function writeInput(folder: string, prefix: string, input: Uint8Array): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, prefix + createHash('sha256').update(input).digest('hex').slice(0, NAME_DIGITS));
  writeFileSync(path, input);
  return path;
}
