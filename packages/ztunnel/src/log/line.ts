import { renderLogTime } from './log-time.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace';
export type LogFormat = 'plain' | 'json';

/** Text that the plain form prints without quotes: addresses, names, durations. JSON has it as a string all the same. */
export interface BareText {
  readonly bare: string;
}

/** A string is quoted in the plain form; a number is a number in both, a boolean a boolean. */
type LogValue = string | number | boolean | BareText;
export type LogField = readonly [key: string, value: LogValue];

/** What a line was logged inside of (`proxy{wl=default/pa}`). */
export interface LogSpan {
  readonly name: string;
  readonly fields: readonly LogField[];
}

/** One line before it has a form. */
export interface LogLine {
  /** Milliseconds since 1970, with a fraction. */
  readonly time: number;
  readonly level: LogLevel;
  /** `access`, `dns`, or the module (`inpod::statemanager`), without the `ztunnel::` that JSON puts in front. */
  readonly scope: string;
  /** Empty for lines that are fields alone: then nothing stands in its place. */
  readonly message: string;
  readonly fields: readonly LogField[];
  readonly spans?: readonly LogSpan[];
}

/** Marks `text` for printing without quotes. */
export function bare(text: string): BareText {
  return { bare: text };
}

/**
 * One log line with its newline (spec ztunnel.md §11, §12). Plain: time TAB level TAB scope TAB message TAB `k=v k=v`, with
 * the TAB also when there are no fields. JSON: level, time, scope, message, the fields, then one key a span.
 */
export function renderLine(format: LogFormat, line: LogLine): string {
  return format === 'json' ? renderJson(line) : renderPlain(line);
}

/** Targets that are not modules of the program, hence without its name in JSON. */
const ownTargets = new Set(['access', 'dns', 'ztunnel']);
/** Control characters, which would break the line or the terminal, and what quoting needs escaped. */
// oxlint-disable-next-line no-control-regex -- these are the ones to find
const unsafeQuoted = /["\\\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
// oxlint-disable-next-line no-control-regex -- these are the ones to find
const unsafeBare = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
// oxlint-disable-next-line no-control-regex -- these are the ones to find
const escapable = /["\\\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

function renderPlain(line: LogLine): string {
  let scope = line.scope;
  for (const span of line.spans ?? []) {
    scope += `:${span.name}`;
    if (span.fields.length > 0) scope += `{${renderFields(span.fields)}}`;
  }
  const message = line.message === '' ? '' : `${line.message}\t`;
  return `${renderLogTime(line.time)}\t${line.level}\t${scope}\t${message}${renderFields(line.fields)}\n`;
}

function renderFields(fields: readonly LogField[]): string {
  let text = '';
  for (const [key, value] of fields) {
    if (text !== '') text += ' ';
    text += `${key}=${renderValue(value)}`;
  }
  return text;
}

function renderValue(value: LogValue): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value !== 'object') return String(value);
  return unsafeBare.test(value.bare) ? quote(value.bare) : value.bare;
}

/** Quotes and escapes as Rust's `{:?}` does, which readers of these logs are used to. */
function quote(text: string): string {
  return unsafeQuoted.test(text) ? `"${text.replace(escapable, escapeCharacter)}"` : `"${text}"`;
}

function escapeCharacter(character: string): string {
  switch (character) {
    case '"':
      return '\\"';
    case '\\':
      return '\\\\';
    case '\n':
      return '\\n';
    case '\r':
      return '\\r';
    case '\t':
      return '\\t';
    case '\0':
      return '\\0';
    default:
      return `\\u{${character.charCodeAt(0).toString(16)}}`;
  }
}

function renderJson(line: LogLine): string {
  const scope = ownTargets.has(line.scope) ? line.scope : `ztunnel::${line.scope}`;
  let text = `{"level":"${line.level}","time":"${renderLogTime(line.time)}","scope":${JSON.stringify(scope)}`;
  if (line.message !== '') text += `,"message":${JSON.stringify(line.message)}`;
  text += renderJsonFields(line.fields, ',');
  for (const span of line.spans ?? []) {
    text += `,${JSON.stringify(span.name)}:{${renderJsonFields(span.fields, '')}}`;
  }
  return `${text}}\n`;
}

function renderJsonFields(fields: readonly LogField[], first: string): string {
  let text = '';
  let separator = first;
  for (const [key, value] of fields) {
    text += `${separator}${JSON.stringify(key)}:${JSON.stringify(typeof value === 'object' ? value.bare : value)}`;
    separator = ',';
  }
  return text;
}
