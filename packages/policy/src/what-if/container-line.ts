import type { Fault } from './log-fields.ts';

/**
 * What a container printed, out of a line of the file that Docker keeps of it (`{"log":"…\n","stream":"stdout","time":"…"}`,
 * driver json-file), without its line break. Any other line as it is: what CRI runtimes put before lines is read with them.
 * A fault if it is no whole line. Never throws.
 * @see https://docs.docker.com/engine/logging/drivers/json-file/
 */
export function unwrapContainerLine(text: string): string | Fault {
  if (!text.startsWith(BEGINNING)) return text;
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    return { fault: 'not a whole JSON object' };
  }
  const log: unknown = typeof line === 'object' && line !== null && 'log' in line ? line.log : undefined;
  if (typeof log !== 'string') return { fault: 'JSON, but no log line' };
  // Docker cuts lines of more than 16 KiB; only the last piece ends in a line break.
  if (!log.endsWith('\n')) return { fault: 'only a part of a line' };
  const printed = log.replace(/\r?\n$/, '');
  return printed.includes('\n') ? { fault: 'more than one line' } : printed;
}

/** Docker writes its fields in this order; those of a node proxy begin with others. */
const BEGINNING = '{"log":';
