import { readSubject, type Subject } from '../matching/subject.ts';
import type { Connection, SourceIdentity, TargetWorkload } from '../policy.ts';
import { listWays, type RuleAttempt } from './attempt.ts';
import { type Candidate, findCandidates } from './candidate.ts';
import { asPrincipal } from './candidate-identity.ts';
import type { Aspect, Condition } from './condition.ts';
import type { PassingChange } from './explanation.ts';
import { type PreparedMatch, type PreparedPolicy, type PreparedRule, pickRule } from './prepared-policy.ts';

/** So many changes are told. */
const MOST_CHANGES = 4;
/** So many connections are tried, for a denial must be cheap to explain. */
const MOST_TRIES = 64;
/** At least so many are tried, and of policies that are very long hardly more: each try asks all of their matches. */
const LEAST_TRIES = 4;
const MOST_MATCHES_ASKED = 1_000_000;
/** A change of more than this is no help. */
const MOST_STEPS = 6;

/** The enforced policies of a workload, and how far the ALLOW rules are from admitting a connection. */
export interface Obstacles {
  readonly workload: TargetWorkload;
  readonly deny: readonly PreparedPolicy[];
  readonly allow: readonly PreparedPolicy[];
  /** Rules of the ALLOW policies that could be met, the closest first. */
  readonly attempts: readonly RuleAttempt[];
}

/** A rule of a policy, by its index. */
interface NumberedRule {
  readonly policy: PreparedPolicy;
  readonly index: number;
}

/** A connection that has been changed in some aspects. */
interface Variant {
  readonly connection: Connection;
  readonly subject: Subject;
  readonly words: ReadonlyMap<Aspect, string>;
}

/** A variant that passes. */
interface PassingWay {
  readonly variant: Variant;
  /** The rule that it had to be changed for once more: the one that says what is wanted. */
  readonly obstacle: NumberedRule | undefined;
}

/** Changes of a denied connection with which it passes: each has been tried against all policies. */
export function findPassingChanges(connection: Connection, obstacles: Obstacles): readonly PassingChange[] {
  return new ChangeSearch(obstacles).find(connection);
}

class ChangeSearch {
  readonly #obstacles: Obstacles;
  #triesLeft: number;

  constructor(obstacles: Obstacles) {
    this.#obstacles = obstacles;
    const size = [...obstacles.deny, ...obstacles.allow].reduce((sum, policy) => sum + policy.size, 1);
    this.#triesLeft = Math.min(MOST_TRIES, Math.max(LEAST_TRIES, Math.floor(MOST_MATCHES_ASKED / size)));
  }

  find(connection: Connection): readonly PassingChange[] {
    const start: Variant = { connection, subject: readSubject(connection), words: new Map() };
    const found = new Map<string, { readonly change: PassingChange; readonly aspects: number }>();
    let simple = 0;
    const keep = (policy: PreparedPolicy, rule: number, variant: Variant | undefined): void => {
      if (variant === undefined) return;
      const said = sayChanges(start, variant);
      // Different words may come to the same: the first ones are of the rule that comes closest.
      const key = keyOf(variant);
      if (found.has(key)) return;
      const change = { policy: policy.key, rule, connection: variant.connection, text: `if ${said.join(' and ')}` };
      found.set(key, { change, aspects: said.length });
      if (said.length === 1) simple++;
    };
    const denied = this.#findDenial(start.subject);
    if (denied === undefined)
      for (const attempt of this.#obstacles.attempts) {
        keep(attempt.policy, attempt.rule, this.#admit(start, attempt));
        // Those of the closest rule come first, so that nothing better follows.
        if (simple === MOST_CHANGES) break;
      }
    else
      for (const ways of this.#escape(start, denied)) {
        const way = this.#finishAny(ways);
        const { policy, index } = way?.obstacle ?? denied;
        keep(policy, index, way?.variant);
      }
    // Node's sort is stable: among changes of equally many aspects those of the closest rule stay first.
    const sorted = [...found.values()].toSorted((a, b) => a.aspects - b.aspects);
    return sorted.slice(0, MOST_CHANGES).map(({ change }) => change);
  }

  /** The first rule of a DENY policy that matches. */
  #findDenial(subject: Subject): NumberedRule | undefined {
    for (const policy of this.#obstacles.deny) {
      const index = policy.finder.find(subject);
      if (index !== undefined) return { policy, index };
    }
    return undefined;
  }

  #isAllowed(subject: Subject): boolean {
    const { allow } = this.#obstacles;
    return allow.length === 0 || allow.some(({ finder }) => finder.find(subject) !== undefined);
  }

  /** The variant with which an ALLOW rule matches and no DENY rule does. */
  #admit(from: Variant, attempt: RuleAttempt): Variant | undefined {
    for (const matches of listWays(attempt)) {
      const met = this.#meet(from, matches, MOST_STEPS);
      if (met !== undefined) return this.#undeny(met);
      if (this.#triesLeft === 0) break;
    }
    return undefined;
  }

  /** The variant itself, unless a DENY rule matches: then one that none does, if it is still admitted. */
  #undeny(met: Variant): Variant | undefined {
    const denied = this.#findDenial(met.subject);
    if (denied === undefined) return met;
    return this.#escape(met, denied)
      .flat()
      .find((way) => this.#passes(way));
  }

  /** Changes one failed condition after the other until all conditions of the matches hold. */
  #meet(variant: Variant, matches: readonly PreparedMatch[], stepsLeft: number): Variant | undefined {
    const failed = findFailed(matches, variant.subject);
    if (failed === undefined) return variant;
    if (stepsLeft === 0) return undefined;
    for (const candidate of this.#candidates(failed, !failed.negative, variant)) {
      const next = apply(variant, candidate);
      if (!failed.holds(next.subject)) continue;
      const met = this.#meet(next, matches, stepsLeft - 1);
      if (met !== undefined) return met;
    }
    return undefined;
  }

  /** Variants with which a DENY rule that matches does so no longer: for each aspect that it looks at, the best first. */
  #escape(from: Variant, { policy, index }: NumberedRule): readonly (readonly Variant[])[] {
    const ways = new Map<Aspect, Variant[]>();
    for (const condition of listConditions(pickRule(policy, index))) {
      for (const candidate of this.#candidates(condition, condition.negative, from)) {
        const next = apply(from, candidate);
        if (policy.finder.matches(index, next.subject)) continue;
        ways.set(candidate.aspect, [...(ways.get(candidate.aspect) ?? []), next]);
      }
    }
    return [...ways.values()];
  }

  #finishAny(ways: readonly Variant[]): PassingWay | undefined {
    for (const way of ways) {
      const finished = this.#finish(way);
      if (finished !== undefined) return finished;
    }
    return undefined;
  }

  /** Of a variant that one DENY rule lets pass, one that all policies do: itself, if that is enough. */
  #finish(variant: Variant): PassingWay | undefined {
    const { subject } = variant;
    const denied = this.#findDenial(subject);
    if (denied !== undefined) {
      const way = this.#escape(variant, denied)
        .flat()
        .find((other) => this.#passes(other));
      return way && { variant: way, obstacle: denied };
    }
    if (this.#isAllowed(subject)) return { variant, obstacle: undefined };
    for (const attempt of this.#obstacles.attempts) {
      const admitted = this.#admit(variant, attempt);
      if (admitted !== undefined)
        return { variant: admitted, obstacle: { policy: attempt.policy, index: attempt.rule } };
    }
    return undefined;
  }

  #passes({ subject }: Variant): boolean {
    return this.#findDenial(subject) === undefined && this.#isAllowed(subject);
  }

  *#candidates(condition: Condition, met: boolean, { connection }: Variant): Generator<Candidate> {
    const { namespace } = this.#obstacles.workload;
    for (const candidate of findCandidates(condition, met, connection, namespace)) {
      if (this.#triesLeft === 0) return;
      this.#triesLeft--;
      yield candidate;
    }
  }
}

/** The words for all changes that were not undone by a later one. */
function sayChanges(start: Variant, { connection, subject, words }: Variant): readonly string[] {
  return [...words].flatMap(([aspect, text]) => {
    const same =
      aspect === 'identity'
        ? subject.principal === start.subject.principal
        : connection[aspect] === start.connection[aspect];
    return same ? [] : text;
  });
}

/** The first condition of some matches that does not hold. */
function findFailed(matches: readonly PreparedMatch[], subject: Subject): Condition | undefined {
  for (const { conditions } of matches)
    for (const condition of conditions) if (!condition.holds(subject)) return condition;
  return undefined;
}

function listConditions(rule: PreparedRule): readonly Condition[] {
  return rule.clauses.flat().flatMap(({ conditions }) => conditions);
}

/** All that policies see of it. */
function keyOf({ connection, subject }: Variant): string {
  const { sourceIp, destinationIp, destinationPort } = connection;
  return JSON.stringify([subject.principal, sourceIp, destinationIp, destinationPort]);
}

/** A second change of the identity covers what was said of the first: then it is told whole. */
function apply({ words }: Variant, { aspect, connection, words: said }: Candidate): Variant {
  const again = words.has(aspect) && aspect === 'identity';
  const text = again && connection.identity ? tellWhole(connection.identity, said) : said;
  return { connection, subject: readSubject(connection), words: new Map([...words, [aspect, text]]) };
}

/** As an example, unless what was said names nobody else. */
function tellWhole(identity: SourceIdentity, said: string): string {
  const exactly = asPrincipal(identity, false).words;
  return said === exactly ? said : asPrincipal(identity, true).words;
}
