import type { Answer } from './http-listener.ts';

// oxlint-disable-next-line no-control-regex -- these are the ones to find
const controlCharacters = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** An answer for a terminal, or its data as JSON with `?format=json`; any other format is a 400. */
export function textOrJson(url: URL, text: () => string, data: () => unknown): Answer {
  const format = url.searchParams.get('format') ?? 'text';
  if (format === 'text') return { status: 200, contentType: 'text/plain; charset=utf-8', body: text() };
  if (format === 'json')
    return { status: 200, contentType: 'application/json', body: `${JSON.stringify(data(), null, 2)}\n` };
  return { status: 400, contentType: 'text/plain', body: 'invalid format; expected text or json\n' };
}

/** Rows with their columns below one another; what would break a line or a terminal is escaped. */
export function renderTable(rows: readonly (readonly string[])[]): string {
  const printable = rows.map((row) => row.map(escapeControl));
  const widths: number[] = [];
  for (const row of printable)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return printable
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** The text in one line, with visible escapes of what would break it or a terminal. */
export function escapeControl(text: string): string {
  return text.replace(controlCharacters, (character) => `\\u{${character.charCodeAt(0).toString(16)}}`);
}

/** `2026-11-21T21:40:01.123Z`. */
export function renderTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
