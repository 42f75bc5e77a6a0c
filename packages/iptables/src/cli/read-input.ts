import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { IptablesError } from '../errors.ts';

/** A save of a million rules is about this large; more is a mistake, such as a device. */
const MOST_BYTES = 256 * 1024 * 1024;

/** Reads a file, or `stdin` for `-`. Throws `IPTABLES_COMMAND_INVALID` where that fails or is longer than `mostBytes`. */
export async function readInput(path: string, stdin: Readable, mostBytes: number = MOST_BYTES): Promise<string> {
  const name = path === '-' ? 'standard input' : path;
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
    const reason = error instanceof Error ? error.message : String(error);
    throw new IptablesError('IPTABLES_COMMAND_INVALID', `cannot read ${name}: ${reason}`, { cause: error });
  }
  return Buffer.concat(chunks).toString('utf8');
}
