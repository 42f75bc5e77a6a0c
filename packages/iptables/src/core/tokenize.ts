import { IptablesError } from '../errors.ts';

/** One word of a rule line. */
export interface Token {
  /** As written, quotes and escapes included. */
  readonly source: string;
  /** Its value. */
  readonly text: string;
  /** Written in quotes, so never an option. */
  readonly quoted: boolean;
}

/**
 * Splits one line into words as `iptables-restore` does: blanks separate, double quotes group, a backslash escapes
 * inside of quotes only. Throws `IPTABLES_SAVE_INVALID` with line and column for a quote that does not end.
 */
export function tokenizeLine(line: string, lineNumber: number): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < line.length) {
    if (line[at] === ' ' || line[at] === '\t') {
      at += 1;
      continue;
    }
    const token = readToken(line, at, lineNumber);
    tokens.push(token);
    at += token.source.length;
  }
  return tokens;
}

function readToken(line: string, start: number, lineNumber: number): Token {
  let text = '';
  let quoteAt = -1;
  let quoted = false;
  let at = start;
  for (; at < line.length; at++) {
    const char = line[at] ?? '';
    if (quoteAt === -1 && (char === ' ' || char === '\t')) break;
    if (char === '"') {
      quoteAt = quoteAt === -1 ? at : -1;
      quoted = true;
    } else if (char === '\\' && quoteAt !== -1) {
      at += 1;
      text += line[at] ?? '';
    } else {
      text += char;
    }
  }
  if (quoteAt !== -1)
    throw new IptablesError(
      'IPTABLES_SAVE_INVALID',
      `line ${lineNumber}, column ${quoteAt + 1}: this quote does not end`,
      { line: lineNumber },
    );
  return { source: line.slice(start, at), text, quoted };
}
