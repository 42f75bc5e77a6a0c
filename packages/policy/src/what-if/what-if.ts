import type { Decision } from '../evaluation/decision.ts';
import { compile, type EvaluationOptions, type PolicySet } from '../evaluation/policy-set.ts';
import type { Explanation } from '../explanation/explanation.ts';
import type { Connection, Policy, TargetWorkload } from '../policy.ts';
import type { AccessLog } from './access-log.ts';
import { type ConnectionGroup, groupConnections } from './connection-group.ts';
import { PortCases } from './port-cases.ts';
import type { RecordedConnection, RecordedWorkload } from './recorded-connection.ts';

/** What is asked. */
export interface WhatIfQuestion extends EvaluationOptions {
  /** In force now. */
  readonly policies: Iterable<Policy>;
  /** All that would be in force after the change, not only what is different. */
  readonly changed: Iterable<Policy>;
  /** Of `parseAccessLog`. What could not be read of it counts: such an answer says less. */
  readonly log: Pick<AccessLog, 'connections' | 'unreadable'>;
  /**
   * Keys of the policies that a workload names `before` and `after` the change: those whose selectors match its labels,
   * which no log has. Undefined for a workload that is not known; connections to it are undecided as soon as there are
   * policies with a selector.
   */
  readonly policiesOf: (workload: RecordedWorkload, when: 'before' | 'after') => readonly string[] | undefined;
  /** Port of the pod behind a tunnel's target that does not tell it (`portUncertain`); undefined if it is not known. */
  readonly portOf?: (connection: RecordedConnection) => number | undefined;
}

/** Connections whose verdict changes. */
export interface VerdictChange extends ConnectionGroup {
  /** As it was judged: with the port of `portOf`, if that was needed. */
  readonly connection: Connection;
  readonly before: Decision;
  readonly after: Decision;
  /** Of the verdict after the change; undefined after the first hundred changes, for explanations are large. */
  readonly explanation: Explanation | undefined;
}

/** Connections of which the log does not tell enough. */
export interface UndecidedConnections extends ConnectionGroup {
  /** `port`: the verdict depends on the pod's port. `workload`: it is not known which policies it names. */
  readonly cause: 'port' | 'workload';
}

/** Connections that were recorded with another verdict than `policies` give: others were in force then, or are on the node. */
export interface Contradiction extends ConnectionGroup {
  readonly connection: Connection;
  /** What `policies` say. */
  readonly expected: Decision;
  /** How many of the group were recorded otherwise. */
  readonly contradicting: number;
}

/** How many connections, not groups. */
export interface WhatIfCounts {
  readonly connections: number;
  readonly changed: number;
  readonly unchanged: number;
  readonly undecided: number;
  /** Of those judged. Connections whose end is not in the log contradict nothing. */
  readonly contradicting: number;
}

/** What a change of policies would mean for connections that have been seen. */
export interface WhatIfAnswer {
  readonly changes: readonly VerdictChange[];
  readonly undecided: readonly UndecidedConnections[];
  readonly contradictions: readonly Contradiction[];
  readonly counts: WhatIfCounts;
  /** Lines of the log that are in none of these. */
  readonly unreadable: AccessLog['unreadable'];
  /**
   * For a command: 0 no verdict changes; 1 some do; 3 none is known to, but that says little: some connections cannot be
   * decided, some lines cannot be read, or there are no connections at all.
   */
  readonly exitCode: 0 | 1 | 3;
}

/**
 * Judges recorded connections by the policies before and after a change. Nothing is guessed: where the log does not tell
 * what the verdict depends on, the connection is undecided. Throws POLICY_INVALID for policies that are none, and
 * POLICY_CONNECTION_INVALID for connections that `parseAccessLog` would not give.
 */
export function whatIf(question: WhatIfQuestion): WhatIfAnswer {
  const sets = new SetsCompared(question);
  const changes: VerdictChange[] = [];
  const undecided: UndecidedConnections[] = [];
  const contradictions: Contradiction[] = [];
  const counts = { connections: 0, changed: 0, unchanged: 0, undecided: 0, contradicting: 0 };
  for (const group of groupConnections(question.log.connections)) {
    counts.connections += group.count;
    const outcome = sets.judge(group);
    if (typeof outcome === 'string') {
      counts.undecided += group.count;
      undecided.push({ ...group, cause: outcome });
      continue;
    }
    const { connection, before, after, explain } = outcome;
    const contradicting = before.allowed ? group.recorded.denied : group.recorded.allowed;
    if (contradicting > 0) contradictions.push({ ...group, connection, expected: before, contradicting });
    counts.contradicting += contradicting;
    if (before.allowed === after.allowed) counts.unchanged += group.count;
    else {
      counts.changed += group.count;
      const explanation = changes.length < MOST_EXPLAINED ? explain() : undefined;
      changes.push({ ...group, connection, before, after, explanation });
    }
  }
  const { unreadable } = question.log;
  const certain = unreadable.count === 0 && counts.undecided === 0 && counts.connections > 0;
  const exitCode = counts.changed > 0 ? 1 : certain ? 0 : 3;
  return { changes, undecided, contradictions, counts, unreadable, exitCode };
}

/** More than anybody reads; an explanation by a hundred rules takes tens of kilobytes. */
const MOST_EXPLAINED = 100;

interface Judged {
  readonly connection: Connection;
  readonly before: Decision;
  readonly after: Decision;
  readonly explain: () => Explanation;
}

/** A workload as both sets see it. */
interface Target {
  readonly before: TargetWorkload;
  readonly after: TargetWorkload;
}

/** The two sets of policies, and what is asked of both. */
class SetsCompared {
  readonly #before: PolicySet;
  readonly #after: PolicySet;
  readonly #question: WhatIfQuestion;
  readonly #selectors: boolean;
  /** By workload; undefined: it is not known which policies it names. */
  readonly #targets = new Map<string, Target | undefined>();
  /** By what both sets see of a workload: pods of one kind have them together. */
  readonly #ports = new Map<string, PortCases>();

  constructor(question: WhatIfQuestion) {
    const [policies, changed] = [[...question.policies], [...question.changed]];
    const options = question.missing === undefined ? {} : { missing: question.missing };
    this.#question = question;
    this.#before = compile(policies, options);
    this.#after = compile(changed, options);
    this.#selectors = [...policies, ...changed].some(({ scope }) => scope === 'WorkloadSelector');
  }

  judge({ sample, workload }: ConnectionGroup): Judged | UndecidedConnections['cause'] {
    const target = this.#find(workload);
    if (target === undefined) return 'workload';
    const judge = (destinationPort: number): Judged => {
      const connection = { ...sample.connection, destinationPort };
      return {
        connection,
        before: this.#before.evaluate(connection, target.before),
        after: this.#after.evaluate(connection, target.after),
        explain: () => this.#after.explain(connection, target.after),
      };
    };
    if (!sample.portUncertain) return judge(sample.connection.destinationPort);
    const port = this.#question.portOf?.(sample);
    if (port !== undefined) return judge(port);
    const asked = judge(sample.connection.destinationPort);
    const alike = this.#findPorts(target).areAlike(sample.connection, (possible) => {
      const { before, after } = judge(possible);
      return `${before.allowed} ${after.allowed}`;
    });
    return alike ? asked : 'port';
  }

  #find(workload: RecordedWorkload): Target | undefined {
    const key = JSON.stringify([workload.namespace, workload.name]);
    if (!this.#targets.has(key)) this.#targets.set(key, this.#prepare(workload));
    return this.#targets.get(key);
  }

  #prepare(workload: RecordedWorkload): Target | undefined {
    const [before, after] = [this.#name(workload, 'before'), this.#name(workload, 'after')];
    if (before === undefined || after === undefined) return undefined;
    return { before, after };
  }

  #findPorts({ before, after }: Target): PortCases {
    const key = JSON.stringify([before, after]);
    const known = this.#ports.get(key);
    if (known !== undefined) return known;
    const ports = new PortCases([...this.#before.select(before).policies, ...this.#after.select(after).policies]);
    this.#ports.set(key, ports);
    return ports;
  }

  #name(workload: RecordedWorkload, when: 'before' | 'after'): TargetWorkload | undefined {
    const named = this.#question.policiesOf(workload, when);
    if (named === undefined && this.#selectors) return undefined;
    return { namespace: workload.namespace, authorizationPolicies: named ?? [] };
  }
}
