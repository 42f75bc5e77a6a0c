import { createReadStream } from 'node:fs';
import { readdir, stat, writeFile as write } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { invalidCommand } from './parse-options.ts';

/** All policies of a large cluster are about this many bytes; more is a mistake, such as a device. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Reads a file, or `stdin` for `-`. Throws POLICY_COMMAND_INVALID where that fails or is longer than `mostBytes`. */
export async function readInput(path: string, stdin: Readable, mostBytes: number = MOST_BYTES): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of path === '-' ? stdin : createReadStream(path)) {
      const bytes = Buffer.from(chunk);
      size += bytes.length;
      if (size > mostBytes) throw new Error(`more than ${mostBytes} bytes`);
      chunks.push(bytes);
    }
  } catch (error) {
    throw cannot('read', path === '-' ? 'standard input' : path, error);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * The YAML and JSON files of a folder and of those in it, sorted, without hidden ones; of anything else, itself. Throws as
 * `readInput`.
 */
export async function listFiles(path: string): Promise<readonly string[]> {
  if (path === '-') return [path];
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const found: string[] = [];
    for await (const file of walk(path)) found.push(file);
    if (found.length === 0) throw new Error('no .yaml, .yml or .json file in this folder');
    return found.toSorted();
  } catch (error) {
    throw cannot('read', path, error);
  }
}

/** Hidden folders hold what is not meant for readers: `.git`, and each file again where Kubernetes mounts a ConfigMap. */
async function* walk(folder: string): AsyncGenerator<string> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (/\.(?:ya?ml|json)$/.test(entry.name)) yield path;
  }
}

/** Writes a file, over what is there. Throws POLICY_COMMAND_INVALID. */
export async function writeFile(path: string, text: string): Promise<void> {
  try {
    await write(path, text);
  } catch (error) {
    throw cannot('write', path, error);
  }
}

function cannot(what: 'read' | 'write', name: string, error: unknown) {
  const reason = error instanceof Error ? error.message : String(error);
  return invalidCommand(`cannot ${what} ${name}: ${reason}`, error);
}
