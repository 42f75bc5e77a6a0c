import { styleText } from 'node:util';

/** What the presentation needs of its surroundings. */
export interface TerminalOptions {
  readonly write: (text: string) => void;
  readonly colour: boolean;
  /** Lines longer than this are wrapped. */
  readonly columns: number;
}

/** Narrower windows would break every table. */
const MIN_COLUMNS = 60;
const MAX_COLUMNS = 80;

/** Ways to emphasise. */
export type Emphasis = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan' | 'magenta';

/** A place to print to: plain text, or with colours where a person looks. */
export class Terminal {
  readonly columns: number;
  readonly #options: TerminalOptions;

  constructor(options: TerminalOptions) {
    this.#options = options;
    this.columns = Math.max(MIN_COLUMNS, Math.min(MAX_COLUMNS, options.columns));
  }

  /** `text`, emphasised if there are colours. */
  paint(emphasis: Emphasis, text: string): string {
    return this.#options.colour ? styleText(emphasis, text, { validateStream: false }) : text;
  }

  /** Prints one line. */
  line(text = ''): void {
    this.#options.write(`${text}\n`);
  }

  /**
   * Prints plain text in as many lines as it needs, `indent` spaces before each and `hang` more
   * before those that go on.
   */
  wrapped(
    text: string,
    options: { readonly indent?: number; readonly hang?: number; readonly emphasis?: Emphasis } = {},
  ): void {
    const { indent = 2, hang = 4, emphasis } = options;
    for (const line of wrapWords(text, this.columns - indent, hang))
      this.line(`${' '.repeat(indent)}${emphasis === undefined ? line : this.paint(emphasis, line)}`);
  }

  /** Prints a heading. */
  heading(text: string): void {
    this.line();
    this.line(this.paint('bold', text));
    this.line(this.paint('dim', '─'.repeat(this.columns)));
  }
}

/** Whether to use colours: where a person looks, unless `NO_COLOR` (https://no-color.org) says not to. */
export function wantsColour(isTty: boolean, lookup: (name: string) => string | undefined): boolean {
  const [no, force] = [lookup('NO_COLOR'), lookup('FORCE_COLOR')];
  if (no !== undefined && no !== '') return false;
  if (force !== undefined && force !== '' && force !== '0') return true;
  return isTty && lookup('TERM') !== 'dumb';
}

/** Breaks `text` at spaces into lines of at most `width` characters; lines after the first begin with `hang` spaces. */
export function wrapWords(text: string, width: number, hang: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/[ \t]+/)) {
    const joined = line === '' ? word : `${line} ${word}`;
    if (joined.length <= width || line.trim() === '') line = line.trim() === '' ? `${line}${word}` : joined;
    else {
      lines.push(line);
      line = `${' '.repeat(hang)}${word}`;
    }
  }
  lines.push(line);
  return lines;
}
