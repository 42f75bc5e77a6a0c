import { type Fault, type LogFields, parsePlainFields, readJsonFields } from './log-fields.ts';

/** A line of the access log. */
export interface AccessLine {
  readonly kind: 'access';
  readonly time: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** A line of another part of the proxy; in the plain form the lines that follow may belong to it. */
export interface OtherLine {
  readonly kind: 'other';
  readonly form: 'plain' | 'json';
}

/**
 * One line of the proxy's log in either form, without its line break. `kubectl logs` may have put the pod's name and a time
 * before it, and so may a container runtime; colours are left out. Undefined: not the beginning of a log line. Never throws.
 */
export function parseLogLine(text: string): AccessLine | OtherLine | Fault | undefined {
  const whole = text.includes(ESCAPE) ? text.replaceAll(COLOUR, '') : text;
  const [prefix, part] = PREFIX.exec(whole) ?? [''];
  if (part === 'P') return { fault: 'only a part of a line' };
  const line = whole.slice(prefix.length);
  if (line.startsWith('{')) return parseJsonLine(line);
  const [header, time = '', scope] = PLAIN_HEADER.exec(line) ?? [];
  if (header === undefined) return undefined;
  if (scope !== ACCESS_SCOPE) return { kind: 'other', form: 'plain' };
  const rest = line.slice(header.length);
  const tab = rest.indexOf('\t');
  if (tab < 0) return { fault: 'cut off before its fields' };
  const fields = parsePlainFields(rest.slice(tab + 1));
  return 'fault' in fields ? fields : { kind: 'access', time, message: rest.slice(0, tab), fields };
}

const ACCESS_SCOPE = 'access';
const ESCAPE = '\u001b';
/** The proxy escapes control characters in values, so that what is found is no part of any. */
// oxlint-disable-next-line no-control-regex -- this one is to be found
const COLOUR = /\u001b\[[\d;]*m/g;
/**
 * The pod's name (`kubectl logs --prefix`), times (`--timestamps`), and what container runtimes put before each line of
 * their files: time, stream, and F for a full line or P for a part of one.
 * @see https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
 */
const PREFIX =
  /^(?:\[[^\]\t]*\] )?(?:\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (?:(?:stdout|stderr) ([FP])(?::\S*)? )?)*/;
const PLAIN_HEADER = /^(\d{4}-\d\d-\d\dT[\d:.]+Z)\t[a-z]+\t([^\t]*)\t/;

function parseJsonLine(text: string): AccessLine | OtherLine | Fault {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    return { fault: 'not a whole JSON object' };
  }
  if (typeof line !== 'object' || line === null || !('scope' in line)) return { fault: 'JSON, but no log line' };
  if (line.scope !== ACCESS_SCOPE) return { kind: 'other', form: 'json' };
  const fields = readJsonFields(line);
  return { kind: 'access', time: fields.get('time') ?? '', message: fields.get('message') ?? '', fields };
}
