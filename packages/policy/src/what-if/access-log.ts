import { unwrapContainerLine } from './container-line.ts';
import type { LogFields } from './log-fields.ts';
import { type AccessLine, parseLogLine } from './log-line.ts';
import { type RecordedConnection, readRecordedConnection } from './recorded-connection.ts';

/** A line that cannot be read. */
export interface UnreadableLine {
  /** From 1. */
  readonly line: number;
  readonly reason: string;
}

/** What an access log has to say of inbound connections. */
export interface AccessLog {
  /** In the order of the lines. */
  readonly connections: readonly RecordedConnection[];
  /** All of them are counted, the first ones told. */
  readonly unreadable: { readonly count: number; readonly first: readonly UnreadableLine[] };
  /** Lines that were understood, and say nothing of an inbound connection that policies were asked about. */
  readonly skipped: {
    /** Of the client's side. */
    readonly outbound: number;
    /** Inbound, but failed before policies were asked. */
    readonly early: number;
    /** Of other parts of the proxy, and empty lines. */
    readonly other: number;
  };
}

/** Unreadable lines that are told; of a file that is no log, the first ones say enough. */
const MOST_TOLD = 20;

/**
 * Reads the access log of a node proxy, in either form or both mixed, as it was printed, as `kubectl logs` gives it or as
 * container runtimes keep it (CRI, Docker's json-file); other lines of the proxy may be between. With
 * `connection opened` lines (level debug) connections that have not ended yet are found as well. Never throws: what
 * cannot be read is counted and told.
 *
 * A log does not tell which policies were in force then: see `whatIf`, which tells the lines that contradict.
 */
export function parseAccessLog(text: string): AccessLog {
  const reader = new AccessLogReader();
  let line = 0;
  for (let start = 0; start < text.length; ) {
    const found = text.indexOf('\n', start);
    const end = found < 0 ? text.length : found;
    line++;
    reader.read(text.slice(start, text[end - 1] === '\r' && end > start ? end - 1 : end), line);
    start = end + 1;
  }
  return reader.finish();
}

class AccessLogReader {
  readonly #connections: RecordedConnection[] = [];
  readonly #open = new OpenConnections();
  readonly #told: UnreadableLine[] = [];
  #unreadable = 0;
  #outbound = 0;
  #early = 0;
  #other = 0;
  /** A message of several lines may go on: the proxy prints its configuration like that. */
  #mayContinue = false;

  read(text: string, line: number): void {
    const printed = unwrapContainerLine(text);
    const parsed = typeof printed === 'string' ? parseLogLine(printed) : printed;
    if (parsed === undefined) {
      if (this.#mayContinue || isBlank(printed)) this.#other++;
      else this.#refuse(line, 'not a log line');
      return;
    }
    this.#mayContinue = 'kind' in parsed && parsed.kind === 'other' && parsed.form === 'plain';
    if ('fault' in parsed) this.#refuse(line, parsed.fault);
    else if (parsed.kind === 'other') this.#other++;
    else this.#readAccess(parsed, line);
  }

  finish(): AccessLog {
    const connections = [...this.#connections, ...this.#open.rest()].toSorted((a, b) => a.line - b.line);
    return {
      connections,
      unreadable: { count: this.#unreadable, first: this.#told },
      skipped: { outbound: this.#outbound, early: this.#early, other: this.#other },
    };
  }

  #readAccess({ message, fields, time }: AccessLine, line: number): void {
    const direction = fields.get('direction');
    if (direction !== 'inbound' && direction !== 'outbound') {
      this.#refuse(line, 'direction: want inbound or outbound');
    } else if (direction === 'outbound') this.#outbound++;
    else if (message === 'connection failed') this.#early++;
    else if (message === 'connection complete' || message === 'connection opened')
      this.#readInbound(fields, { line, time, opened: message === 'connection opened' });
    else this.#other++;
  }

  #readInbound(fields: LogFields, place: { line: number; time: string; opened: boolean }): void {
    const connection = readRecordedConnection(fields, place);
    if ('fault' in connection) return this.#refuse(place.line, connection.fault);
    if (place.opened) return this.#open.add(fields, connection);
    this.#open.remove(fields);
    this.#connections.push(connection);
  }

  #refuse(line: number, reason: string): void {
    this.#unreadable++;
    if (this.#told.length < MOST_TOLD) this.#told.push({ line, reason });
  }
}

function isBlank(text: unknown): boolean {
  return typeof text === 'string' && text.trim() === '';
}

/** Connections without a line of their end so far. Those of one tunnel look alike, so they are counted by their ends. */
class OpenConnections {
  readonly #open = new Map<string, RecordedConnection[]>();

  add(fields: LogFields, connection: RecordedConnection): void {
    const key = keyOf(fields);
    const list = this.#open.get(key);
    if (list === undefined) this.#open.set(key, [connection]);
    else list.push(connection);
  }

  remove(fields: LogFields): void {
    const key = keyOf(fields);
    const list = this.#open.get(key);
    if (list === undefined) return;
    list.shift();
    if (list.length === 0) this.#open.delete(key);
  }

  rest(): readonly RecordedConnection[] {
    return [...this.#open.values()].flat();
  }
}

function keyOf(fields: LogFields): string {
  return [fields.get('src.addr'), fields.get('dst.addr'), fields.get('dst.hbone_addr')].join(' ');
}
