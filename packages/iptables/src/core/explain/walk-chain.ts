import type { Rule } from '../rule.ts';
import { applyTarget, type Effect, type Place } from './apply-target.ts';
import type { IndexedTable } from './chain-index.ts';
import { conditionText, evaluateMatch, isSettleable } from './evaluate-match.ts';
import type { RuleResult, Step } from './explanation.ts';
import { all, type Finding } from './finding.ts';
import { type Assumption, assume, joinPossibilities, type Possibility } from './possibility.ts';
import type { WalkState } from './walk-state.ts';

/** An end that a rule or policy makes of its own. */
export interface EarlyEnd {
  readonly end: 'dropped' | 'rejected' | 'unknown';
  readonly text: string;
  readonly by: string;
  readonly possibility: Possibility;
}

/** Collects what happens on the way. */
export interface WalkLog {
  readonly steps: Step[];
  readonly ends: EarlyEnd[];
  /** Possibilities were given up for there were too many. */
  cut: boolean;
}

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
  log.steps.push({ step: 'chain', table: table.name, chain: hook });
  const fallen = walk.run(begin);
  if (fallen.length === 0) return limit(walk.accepted, log);
  const policy = table.policies.get(hook) ?? 'ACCEPT';
  log.steps.push({ step: 'policy', table: table.name, chain: hook, policy });
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

  constructor(table: IndexedTable, place: Place, log: WalkLog) {
    this.#table = table;
    this.#place = place;
    this.#log = log;
  }

  /** Gives those that reach the policy. */
  run(begin: readonly Possibility[]): readonly Possibility[] {
    this.#enter(this.#place.hook, begin, false);
    for (;;) {
      const frame = this.#frames.at(-1);
      const rule = frame?.rules[frame.at];
      if (frame === undefined) return [];
      if (rule !== undefined && frame.live.length > 0) {
        frame.at += 1;
        this.#meet(rule, frame);
        continue;
      }
      const back = limit([...frame.returned, ...frame.live], this.#log);
      this.#frames.pop();
      const caller = this.#frames.at(-1);
      if (caller === undefined) return back;
      if (frame.viaGoto) caller.returned.push(...back);
      else caller.live = limit([...caller.live, ...back], this.#log);
    }
  }

  #enter(chain: string, live: readonly Possibility[], viaGoto: boolean): void {
    const rules = this.#table.chains.get(chain) ?? [];
    this.#frames.push({ chain, rules, at: 0, live, returned: [], viaGoto });
  }

  #meet(rule: Rule, frame: Frame): void {
    const number = frame.at;
    const subject = `${this.#table.name} ${frame.chain} ${number}`;
    const findings = frame.live.map(({ state }) => evaluateRule(rule, state));
    const on: Possibility[] = [];
    const called: { kind: 'jump' | 'goto'; chain: string; possibility: Possibility }[] = [];
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
    const [change] = [[...changes].join(', or ')].filter((text) => text !== '');
    this.#log.steps.push({
      step: 'rule',
      table: this.#table.name,
      chain: frame.chain,
      number,
      depth: this.#frames.length - 1,
      rule,
      ...summarize(findings),
      ...(change === undefined ? {} : { change }),
    });
    frame.live = limit(on, this.#log);
    this.#call(called, subject, frame);
  }

  /** All calls of one rule lead to the same chain. */
  #call(
    called: readonly { readonly kind: 'jump' | 'goto'; readonly chain: string; readonly possibility: Possibility }[],
    subject: string,
    frame: Frame,
  ): void {
    const [first] = called;
    if (first === undefined) return;
    const possibilities = called.map(({ possibility }) => possibility);
    if (this.#table.chains.has(first.chain)) return this.#enter(first.chain, possibilities, first.kind === 'goto');
    for (const possibility of possibilities) this.#leaveOpen(first.chain, possibility, subject, frame);
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
