import type { Rule } from '../rule.ts';
import { applyTarget, type Effect, type Place } from './apply-target.ts';
import type { IndexedTable } from './chain-index.ts';
import {
  ChainVisits,
  forgetSettled,
  MOST_EQUAL_VISITS,
  summarizeVisit,
  type VisitOutcome,
  type Visits,
} from './chain-visits.ts';
import { conditionText, evaluateMatch, isSettleable } from './evaluate-match.ts';
import type { RuleResult } from './explanation.ts';
import { all, type Finding } from './finding.ts';
import { type Assumption, assume, joinConditions, joinPossibilities, type Possibility } from './possibility.ts';
import { MOST_LOOKS, type WalkLog } from './walk-log.ts';
import type { WalkState } from './walk-state.ts';

interface Frame {
  readonly chain: string;
  readonly rules: readonly Rule[];
  /** The next rule. */
  at: number;
  /** Before the next rule. */
  live: readonly Possibility[];
  /** Back to the caller. */
  readonly returned: Possibility[];
  /** Of a goto: who returns, returns from the caller too. */
  readonly viaGoto: boolean;
  /** To be remembered: where its results begin. */
  readonly record?: { readonly visits: Visits; readonly accepted: number; readonly ends: number } | undefined;
}

/** A possibility that goes into another chain. */
interface Call {
  readonly kind: 'jump' | 'goto';
  readonly chain: string;
  readonly possibility: Possibility;
}

/** States a packet may be in at once; a firewall that needs more is told to be too much to tell. */
const MOST_POSSIBILITIES = 64;
/** Settled conditions kept for one state. */
const MOST_SETTLED = 64;

/** Passes possibilities through one built-in chain; gives those that are accepted. */
export function walkChain(
  table: IndexedTable,
  hook: string,
  begin: readonly Possibility[],
  log: WalkLog,
): readonly Possibility[] {
  const place: Place = { table: table.name, hook };
  const walk = new ChainWalk(table, place, log);
  log.tell({ step: 'chain', table: table.name, chain: hook });
  const fallen = walk.run(begin);
  if (fallen.length === 0) return limit(walk.accepted, log);
  const policy = table.policies.get(hook) ?? 'ACCEPT';
  log.tell({ step: 'policy', table: table.name, chain: hook, policy });
  if (policy === 'ACCEPT') return limit([...walk.accepted, ...fallen], log);
  const by = `${table.name} ${hook}`;
  for (const possibility of fallen)
    log.ends.push({ end: 'dropped', text: `dropped by the policy of ${by}`, by: `${by} policy`, possibility });
  return limit(walk.accepted, log);
}

function limit(possibilities: readonly Possibility[], log: WalkLog): readonly Possibility[] {
  const joined = joinPossibilities(possibilities);
  if (joined.length <= MOST_POSSIBILITIES) return joined;
  log.cut = true;
  return joined.slice(0, MOST_POSSIBILITIES);
}

class ChainWalk {
  readonly accepted: Possibility[] = [];
  readonly #table: IndexedTable;
  readonly #place: Place;
  readonly #log: WalkLog;
  readonly #frames: Frame[] = [];
  readonly #visits = new ChainVisits();

  constructor(table: IndexedTable, place: Place, log: WalkLog) {
    this.#table = table;
    this.#place = place;
    this.#log = log;
  }

  /** Gives those that reach the policy. */
  run(begin: readonly Possibility[]): readonly Possibility[] {
    this.#enter({ chain: this.#place.hook, live: begin, viaGoto: false });
    for (;;) {
      const frame = this.#frames.at(-1);
      const rule = frame?.rules[frame.at];
      if (frame === undefined) return [];
      if (rule !== undefined && frame.live.length > 0) {
        if (this.#log.exhausted) return this.#giveUp(frame);
        frame.at += 1;
        this.#meet(rule, frame);
        continue;
      }
      const back = limit([...frame.returned, ...frame.live], this.#log);
      this.#frames.pop();
      this.#remember(frame, back);
      const caller = this.#frames.at(-1);
      if (caller === undefined) return back;
      this.#comeBack(caller, back, frame.viaGoto);
    }
  }

  #enter(frame: Pick<Frame, 'chain' | 'live' | 'viaGoto' | 'record'>): void {
    this.#frames.push({ ...frame, rules: this.#table.chains.get(frame.chain) ?? [], at: 0, returned: [] });
  }

  #comeBack(caller: Frame, back: readonly Possibility[], viaGoto: boolean): void {
    if (viaGoto) caller.returned.push(...back);
    else caller.live = limit([...caller.live, ...back], this.#log);
  }

  /** What is still on its way anywhere in this table has an end that nobody knows. */
  #giveUp({ chain, at }: Frame): readonly Possibility[] {
    const by = `${this.#table.name} ${chain} ${at + 1}`;
    const open = this.#frames.flatMap(({ live, returned }) => [...live, ...returned]);
    const [possibility] = [...open, ...this.accepted];
    if (possibility === undefined) return [];
    const text = `not followed beyond ${by}: the limit of ${MOST_LOOKS} looks at rules is reached`;
    this.#log.ends.push({
      end: 'unknown',
      text,
      by,
      possibility: { ...possibility, ...joinConditions([...open, ...this.accepted]) },
    });
    this.#frames.length = 0;
    this.accepted.length = 0;
    return [];
  }

  #remember({ record }: Frame, back: readonly Possibility[]): void {
    if (record === undefined) return;
    const accepted = this.accepted.slice(record.accepted);
    record.visits.outcome = summarizeVisit({ back, accepted, ends: this.#log.ends.slice(record.ends) });
  }

  #meet(rule: Rule, frame: Frame): void {
    const number = frame.at;
    this.#log.look(frame.live.length);
    const subject = `${this.#table.name} ${frame.chain} ${number}`;
    const findings = frame.live.map(({ state }) => evaluateRule(rule, state));
    const on: Possibility[] = [];
    const called: Call[] = [];
    const changes = new Set<string>();
    for (const [index, possibility] of frame.live.entries()) {
      const finding = findings[index];
      if (finding === undefined) continue;
      const [met, passed] = split(rule, possibility, finding, subject);
      if (met === undefined) {
        on.push(possibility);
        continue;
      }
      const effect = applyTarget(rule.target, met.state, this.#place);
      if ('change' in effect && effect.change !== undefined) changes.add(effect.change);
      // Whether it matched makes no difference, so nothing depends on it.
      if (effect.kind === 'continue' && effect.state === met.state && passed !== undefined) {
        on.push(possibility);
        continue;
      }
      if (effect.kind === 'jump' || effect.kind === 'goto') called.push({ ...effect, possibility: met });
      else this.#follow(effect, met, subject, { on, frame });
      if (passed !== undefined) on.push(passed);
    }
    frame.live = limit(on, this.#log);
    const visits = this.#visitsOf(called);
    if (visits?.outcome !== undefined) changes.add(`walked ${MOST_EQUAL_VISITS + 1} times before: not again`);
    const [change] = [[...changes].join(', or ')].filter((text) => text !== '');
    this.#log.tell({
      step: 'rule',
      table: this.#table.name,
      chain: frame.chain,
      number,
      depth: this.#frames.length - 1,
      rule,
      ...summarize(findings),
      ...(change === undefined ? {} : { change }),
    });
    this.#call(called, subject, frame, visits);
  }

  #visitsOf(called: readonly Call[]): Visits | undefined {
    const [first] = called;
    if (first === undefined || !this.#table.chains.has(first.chain)) return undefined;
    return this.#visits.of(
      first.chain,
      called.map(({ possibility }) => possibility),
    );
  }

  /** All calls of one rule lead to the same chain. */
  #call(called: readonly Call[], subject: string, frame: Frame, visits: Visits | undefined): void {
    const [first] = called;
    if (first === undefined) return;
    const { chain } = first;
    const possibilities = called.map(({ possibility }) => possibility);
    if (visits === undefined) {
      for (const possibility of possibilities) this.#leaveOpen(chain, possibility, subject, frame);
      return;
    }
    const viaGoto = first.kind === 'goto';
    if (visits.outcome !== undefined)
      return this.#comeBack(frame, this.#revisit(visits.outcome, possibilities), viaGoto);
    visits.count += 1;
    if (visits.count <= MOST_EQUAL_VISITS) return this.#enter({ chain, live: possibilities, viaGoto });
    const record = { visits, accepted: this.accepted.length, ends: this.#log.ends.length };
    this.#enter({ chain, live: forgetSettled(possibilities), viaGoto, record });
  }

  /** Where there are several results, it is not told again which depends on what. */
  #revisit({ back, accepted, ends }: VisitOutcome, entering: readonly Possibility[]): readonly Possibility[] {
    const { alternatives, incomplete } = joinConditions(entering);
    const results = back.length + accepted.length + ends.length;
    const conditions = { alternatives, incomplete: incomplete || results > 1 };
    this.#log.look(results);
    for (const possibility of accepted) this.accepted.push({ ...possibility, ...conditions });
    for (const end of ends) this.#log.ends.push({ ...end, possibility: { ...end.possibility, ...conditions } });
    return back.map((possibility) => ({ ...possibility, ...conditions }));
  }

  #follow(
    effect: Effect,
    met: Possibility,
    subject: string,
    to: { readonly on: Possibility[]; readonly frame: Frame },
  ): void {
    switch (effect.kind) {
      case 'continue':
        to.on.push({ ...met, state: effect.state });
        break;
      case 'accept':
        this.accepted.push({ ...met, state: effect.state });
        break;
      case 'return':
        to.frame.returned.push(met);
        break;
      case 'drop':
        this.#log.ends.push({ end: 'dropped', text: `dropped by ${subject}`, by: subject, possibility: met });
        break;
      case 'reject': {
        const text = `rejected by ${subject} with ${effect.answer}`;
        this.#log.ends.push({ end: 'rejected', text, by: subject, possibility: met });
        break;
      }
      case 'unknown':
        to.on.push(this.#endUnknown(effect.name, met, subject));
        break;
      case 'jump':
      case 'goto':
        break;
    }
  }

  #leaveOpen(name: string, met: Possibility, subject: string, frame: Frame): void {
    frame.live = limit([...frame.live, this.#endUnknown(name, met, subject)], this.#log);
  }

  /** Both: it ends there, or goes on. */
  #endUnknown(name: string, met: Possibility, subject: string): Possibility {
    const because = `what ${name} does is not known`;
    const assumption = { subject: `${subject} ${name}`, because };
    const possibility = assume(met, { ...assumption, holds: true, text: `${name} of ${subject} ends it` });
    this.#log.ends.push({
      end: 'unknown',
      text: `given to ${name} by ${subject}: ${because}`,
      by: subject,
      possibility,
    });
    return assume(met, { ...assumption, holds: false, text: `${name} of ${subject} lets it go on` });
  }
}

function evaluateRule(rule: Rule, state: WalkState): Finding {
  const findings: Finding[] = [];
  for (const match of rule.matches) {
    const finding = evaluateMatch(match, state);
    if (finding.truth === 'no') return finding;
    if (finding.truth === 'unknown') findings.push(finding);
  }
  return all(findings);
}

/** The part that matches and the part that goes on. */
function split(
  rule: Rule,
  possibility: Possibility,
  finding: Finding,
  subject: string,
): readonly [met: Possibility | undefined, passed: Possibility | undefined] {
  if (finding.truth === 'yes') return [possibility, undefined];
  if (finding.truth === 'no') return [undefined, possibility];
  const because = finding.reason;
  const yes: Assumption = { subject, holds: true, text: `${subject} matches`, because };
  const no: Assumption = { subject, holds: false, text: `${subject} does not match`, because };
  const [matched, passed] = [assume(possibility, yes), assume(possibility, no)];
  return [
    { ...matched, state: settle(rule, possibility.state, true) },
    { ...passed, state: settle(rule, possibility.state, false) },
  ];
}

/** What the state is known to be once the rule is taken as matched, or not. */
function settle(rule: Rule, state: WalkState, matched: boolean): WalkState {
  const open = rule.matches.filter((match) => evaluateMatch(match, state).truth === 'unknown');
  let settled = state;
  // All open conditions hold in a match; if there are several, it is not known which of them fails otherwise.
  if (!matched && open.length > 1) return state;
  for (const match of open) {
    const holds = matched !== ('negated' in match && match.negated);
    if ((match.match === 'in-interface' || match.match === 'out-interface') && holds && !match.name.endsWith('+'))
      settled = { ...settled, [match.match === 'in-interface' ? 'inInterface' : 'outInterface']: match.name };
    else if (isSettleable(match) && settled.settled.size < MOST_SETTLED)
      settled = { ...settled, settled: new Map(settled.settled).set(conditionText(match), holds) };
  }
  return settled;
}

function summarize(findings: readonly Finding[]): { readonly result: RuleResult; readonly reason: string } {
  const truths = new Set(findings.map(({ truth }) => truth));
  const [truth] = truths;
  if (truth === undefined || truths.size > 1)
    return { result: 'depends', reason: 'it matches in some of the cases that are still possible' };
  const result = { yes: 'matched', no: 'not-matched', unknown: 'undecided' } as const;
  const reasons = truth === 'yes' ? [] : new Set(findings.map(({ reason }) => reason));
  return { result: result[truth], reason: [...reasons].join(', or ') };
}
