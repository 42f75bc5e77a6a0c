import type { LogField } from '../log/line.ts';
import type { Workload } from '../state/workload.ts';
import { type AnswerRules, evaluateQuestion, type LocalAnswer, type MeshNames } from './answer.ts';
import type { DnsCounterSet, DnsCounters } from './dns-counters.ts';
import type { ForwardOutcome } from './forward-outcome.ts';
import type { Forwarder } from './forwarder.ts';
import {
  CLASS_IN,
  RCODE_FORMAT_ERROR,
  RCODE_NAME_ERROR,
  RCODE_NOT_IMPLEMENTED,
  RCODE_REFUSED,
  RCODE_SERVER_FAILURE,
} from './message-format.ts';
import { type Question } from './question.ts';
import { recordTypeLabel, renderRecordType, TYPE_A, TYPE_AAAA } from './record-types.ts';
import { type Reply } from './response.ts';
import { encodeRecord, type WireRecord } from './wire-record.ts';

/** Time to live of the mesh's own answers. */
export const LOCAL_TTL_SECONDS = 30;
/** How long a query waits for its own workload to become known. */
export const WORKLOAD_WAIT_MS = 5000;

export type DnsProtocol = 'udp' | 'tcp';

/** Where the resolver's lines go. */
export interface DnsLog {
  /** Target `dns`, DEBUG, without a message: one a query. Absent when such lines are not wanted. */
  readonly answered?: ((fields: readonly LogField[]) => void) | undefined;
  /** Target `dns::handler`, WARN. */
  warned(message: string): void;
}

export interface DnsResolverOptions {
  readonly mesh: MeshNames;
  readonly rules: AnswerRules;
  /** The pod's workload. A promise is waited for 5 s at most, undefined means unknown. */
  client(): Workload | undefined | Promise<Workload | undefined>;
  readonly forwarder: Forwarder;
  readonly counters: DnsCounters;
  readonly log: DnsLog;
  /** Monotonic milliseconds. */
  now(): number;
}

/** Answers the questions of one pod: from the mesh if it knows the name, else from name servers (spec ztunnel.md §9). */
export class DnsResolver {
  readonly #options: DnsResolverOptions;

  constructor(options: DnsResolverOptions) {
    this.#options = options;
  }

  /** Calls `done` once, at once if it can, unless the forwarder is closed meanwhile. */
  resolve(question: Question, protocol: DnsProtocol, done: (reply: Reply) => void): void {
    this.#withClient((client) => {
      if (client === undefined) {
        this.#count(question, protocol, undefined).requests++;
        done(emptyReply(RCODE_SERVER_FAILURE));
        return;
      }
      const answer = this.#evaluate(question, client);
      this.#count(question, protocol, client).requests++;
      if (answer === undefined) this.#forward({ question, protocol, client }, done);
      else {
        this.#logAnswer(question, client, answer.result, answer.alias ? 1 : 0);
        done(renderAnswer(question, answer));
      }
    });
  }

  #evaluate({ name, type, class: kind }: Question, client: Workload): LocalAnswer | undefined {
    if (kind !== CLASS_IN || (type !== TYPE_A && type !== TYPE_AAAA)) return undefined;
    // No service is called by bytes that had to be escaped; a wildcard must not match them either.
    if (name.includes('\\')) return undefined;
    return evaluateQuestion({ name, type, client }, this.#options.mesh, this.#options.rules);
  }

  #forward(
    { question, protocol, client }: { question: Question; protocol: DnsProtocol; client: Workload },
    done: (reply: Reply) => void,
  ): void {
    const startMs = this.#options.now();
    this.#count(question, protocol, client).upstreamRequests++;
    this.#options.forwarder.forward(question, (outcome) => {
      const counters = this.#count(question, protocol, client);
      counters.observe((this.#options.now() - startMs) / 1000);
      const isAnswer = outcome.kind === 'answer';
      if (!isAnswer) counters.upstreamFailures++;
      const result = isAnswer ? 'forwarded' : `forwarding failed (${renderFailure(question, outcome)})`;
      this.#logAnswer(question, client, result, outcome.records.length);
      const { rcode, records, ageSeconds } = outcome;
      done({ rcode, records, ageSeconds, authoritative: false, recursionAvailable: isAnswer });
    });
  }

  #withClient(use: (client: Workload | undefined) => void): void {
    const client = this.#options.client();
    if (!(client instanceof Promise)) {
      use(client);
      return;
    }
    let settled = false;
    const settle = (found: Workload | undefined): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      use(found);
    };
    const timer = setTimeout(() => settle(undefined), WORKLOAD_WAIT_MS).unref();
    client.then(settle, () => settle(undefined));
  }

  #count(question: Question, protocol: DnsProtocol, client: Workload | undefined): DnsCounterSet {
    return this.#options.counters.set({
      queryType: recordTypeLabel(question.type),
      protocol,
      service: client?.canonicalName || 'unknown',
      revision: client?.canonicalRevision || 'unknown',
    });
  }

  #logAnswer(question: Question, client: Workload, result: string, endpoints: number): void {
    this.#options.log.answered?.([
      ['src.workload', client.name],
      ['src.namespace', client.namespace],
      ['query', renderRecordType(question.type)],
      ['domain', `${question.name}.`],
      ['result', result],
      ['endpoints', endpoints],
    ]);
  }
}

/** A reply without records. */
export function emptyReply(rcode: number): Reply {
  return { rcode, authoritative: false, recursionAvailable: false, records: [], ageSeconds: 0 };
}

function renderAnswer({ name, type }: Question, answer: LocalAnswer): Reply {
  const records: WireRecord[] = [];
  const common = { ttl: LOCAL_TTL_SECONDS, class: 'IN' } as const;
  if (answer.alias) records.push(encodeRecord({ type: 'CNAME', name, data: answer.owner, ...common }));
  const family = type === TYPE_A ? 'A' : 'AAAA';
  for (const ip of answer.addresses)
    records.push(encodeRecord({ type: family, name: answer.owner, data: ip, ...common }));
  return { rcode: 0, authoritative: true, recursionAvailable: true, records, ageSeconds: 0 };
}

/** Words of the reference proxy's resolver, which people search logs for. */
function renderFailure(question: Question, outcome: ForwardOutcome): string {
  switch (outcome.kind) {
    case 'timeout':
      return 'net error: request timed out';
    case 'unreachable':
      return `net error: io error: ${outcome.reason}`;
    case 'empty': {
      const query = `name: Name("${question.name}."), query_type: ${renderRecordType(question.type)}, query_class: IN`;
      return `net error: DNS error: no records found for Query { ${query} }`;
    }
    case 'refused':
    case 'answer':
      return `net error: DNS error: error response: ${renderResponseCode(outcome.rcode)}`;
  }
}

function renderResponseCode(rcode: number): string {
  switch (rcode) {
    case RCODE_FORMAT_ERROR:
      return 'Form Error';
    case RCODE_SERVER_FAILURE:
      return 'Server Failure';
    case RCODE_NAME_ERROR:
      return 'Non-Existent Domain';
    case RCODE_NOT_IMPLEMENTED:
      return 'Not Implemented';
    case RCODE_REFUSED:
      return 'Query Refused';
    default:
      return `code ${rcode}`;
  }
}
