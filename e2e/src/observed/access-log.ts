/** One line of a ztunnel's access log. */
export interface AccessLogLine {
  readonly level: string;
  readonly message: string;
  /** In the order of the line. */
  readonly fields: Readonly<Record<string, string>>;
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const FIELD = /([a-z_.]+)=(?:"((?:[^"\\]|\\.)*)"|(\S+))/gy;

/** Reads a line of the access log in text form; undefined if it is another log's line. Throws on malformed ones. */
export function parseAccessLog(line: string): AccessLogLine | undefined {
  const [time = '', level = '', scope, message = '', rest = '', ...more] = line.split('\t');
  if (scope !== 'access') return undefined;
  if (!TIME.test(time) || more.length > 0) throw new Error(`malformed access log line: ${line}`);
  const fields: Record<string, string> = {};
  let at = 0;
  while (at < rest.length) {
    FIELD.lastIndex = at;
    const found = FIELD.exec(rest);
    if (found === null) throw new Error(`malformed access log line at ${JSON.stringify(rest.slice(at))}: ${line}`);
    const [whole, key = '', quoted, bare] = found;
    fields[key] = quoted ?? bare ?? '';
    at += whole.length + 1;
  }
  return { level, message, fields };
}
