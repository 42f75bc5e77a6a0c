/** One line of a ztunnel's access log (spec ztunnel.md section 11), text form. */
export interface AccessLogLine {
  /** As printed. */
  readonly text: string;
  readonly level: string;
  readonly message: string;
  /** Values without their quotes. */
  readonly fields: ReadonlyMap<string, string>;
}

const FIELD = /([a-z_.]+)=(?:"((?:[^"\\]|\\.)*)"|(\S+))/g;

/** Reads a line; undefined if it is not one of the access log. */
export function parseAccessLogLine(text: string): AccessLogLine | undefined {
  const [, level = '', scope, message = '', fields = ''] = text.split('\t');
  if (scope !== 'access') return undefined;
  const values = new Map<string, string>();
  for (const [, key = '', quoted, bare = ''] of fields.matchAll(FIELD)) values.set(key, quoted ?? bare);
  return { text, level, message, fields: values };
}

/** The completed connections of a direction among `lines`. */
export function completedConnections(lines: readonly string[], direction: 'inbound' | 'outbound'): AccessLogLine[] {
  return lines
    .map(parseAccessLogLine)
    .filter((line) => line !== undefined)
    .filter((line) => line.message === 'connection complete' && line.fields.get('direction') === direction);
}
