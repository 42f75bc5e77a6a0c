import { type Condition, compileRule } from '../evaluation/compile-rule.ts';
import { MAX_PORT } from '../matching/port.ts';
import { readSubject } from '../matching/subject.ts';
import type { Connection, Match, Policy } from '../policy.ts';

/**
 * What the policies of one workload make of ports that are not known. Ports that appear in the same lists are one case, and
 * clients that are alike but for what no policy asks for are judged once.
 */
export class PortCases {
  readonly #rules: readonly PreparedRule[];
  /** Whether any policy asks for the addresses. */
  readonly #asksSource: boolean;
  readonly #asksDestination: boolean;
  readonly #byClient = new Map<string, boolean>();
  readonly #byFacts = new Map<string, boolean>();

  /** `policies`: all that apply to the workload. Dry-run ones decide nothing. */
  constructor(policies: Iterable<Policy>) {
    const rules = [...policies].filter(({ dryRun }) => !dryRun).flatMap((policy) => policy.rules);
    // Before and after a change most rules are the same.
    const different = new Map(rules.map((rule) => [JSON.stringify(rule), rule]));
    this.#rules = [...different.values()].map((rule) => rule.map((clause) => clause.map(prepareMatch)));
    const matches = rules.flat(2);
    this.#asksSource = matches.some((match) => hasValues(match.sourceIps, match.notSourceIps));
    this.#asksDestination = matches.some((match) => hasValues(match.destinationIps, match.notDestinationIps));
  }

  /**
   * Whether `judge` says the same for every port, and so the port is of no matter. The answer is remembered: `judge` has to
   * ask these policies, and nothing else, about `connection` with that port. Throws POLICY_CONNECTION_INVALID.
   */
  areAlike(connection: Connection, judge: (port: number) => string): boolean {
    const { identity, sourceIp, destinationIp } = connection;
    const client = JSON.stringify([identity, this.#asksSource && sourceIp, this.#asksDestination && destinationIp]);
    const known = this.#byClient.get(client);
    if (known !== undefined) return known;
    const { facts, lists } = this.#relate(connection);
    let alike = this.#byFacts.get(facts);
    if (alike === undefined) {
      const [first = 0, ...others] = listPorts(lists);
      const verdict = judge(first);
      alike = others.every((port) => judge(port) === verdict);
      this.#byFacts.set(facts, alike);
    }
    this.#byClient.set(client, alike);
    return alike;
  }

  /** Which matches hold but for the port, as text; and the lists of ports that matter then. */
  #relate(connection: Connection) {
    const subject = readSubject(connection);
    let facts = '';
    const lists: (readonly number[])[] = [];
    for (const rule of this.#rules) {
      let possible = true;
      const ofRule: (readonly number[])[] = [];
      for (const clause of rule) {
        // A clause without matches holds for everything.
        let held = clause.length === 0;
        for (const match of clause) {
          const holds = match.holds(subject);
          facts += holds ? '1' : '0';
          if (!holds) continue;
          held = true;
          ofRule.push(...match.lists);
        }
        possible &&= held;
      }
      if (possible) lists.push(...ofRule);
    }
    return { facts, lists };
  }
}

interface PreparedMatch {
  /** But for the port. */
  readonly holds: Condition;
  readonly lists: readonly (readonly number[])[];
}

type PreparedRule = readonly (readonly PreparedMatch[])[];

function prepareMatch(match: Match): PreparedMatch {
  const { destinationPorts = [], notDestinationPorts = [], ...others } = match;
  const lists = [destinationPorts, notDestinationPorts].filter(({ length }) => length > 0);
  const isPortOnly = lists.length > 0 && !hasValues(...Object.values(others));
  return { lists, holds: isPortOnly ? () => true : compileRule([[others]]) };
}

function hasValues(...lists: readonly (readonly unknown[] | undefined)[]): boolean {
  return lists.some((list) => list !== undefined && list.length > 0);
}

/** One port for each combination of lists that some are in, and one that is in none, unless all are in some. */
function listPorts(lists: readonly (readonly number[])[]): readonly number[] {
  const combinations = new Map<number, string>();
  for (const [index, list] of lists.entries())
    for (const port of new Set(list)) combinations.set(port, `${combinations.get(port) ?? ''} ${index}`);
  const cases = new Map([...combinations].map(([port, combination]) => [combination, port]));
  for (let port = MAX_PORT; port > 0; port--) if (!combinations.has(port)) return [port, ...cases.values()];
  return [...cases.values()];
}
