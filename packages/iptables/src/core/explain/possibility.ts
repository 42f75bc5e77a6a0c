import { stateKey, type WalkState } from './walk-state.ts';

/** What was taken to be so where it could not be decided. */
export interface Assumption {
  /** The rule, such as `filter INPUT 3`, or the routing decision. */
  readonly subject: string;
  readonly holds: boolean;
  /** In words, such as `filter INPUT 3 matches`. */
  readonly text: string;
  /** Why it cannot be decided. */
  readonly because: string;
}

/** Assumptions as a list that shares its beginnings. */
interface Condition {
  readonly assumption: Assumption;
  readonly before: Condition | undefined;
  readonly length: number;
}

/** A state the packet may be in, and when: one of `alternatives` holds (each: all of its assumptions). */
export interface Possibility {
  readonly state: WalkState;
  /** `undefined` in it: without any assumption. */
  readonly alternatives: readonly (Condition | undefined)[];
  /** There are more alternatives than are kept; those kept are weaker than the truth. */
  readonly incomplete: boolean;
}

/** More alternatives than a person can read are replaced by what they have in common. */
const MOST_ALTERNATIVES = 16;
/** Assumptions listed of one alternative. With ends and alternatives this bounds what there is to print. */
const MOST_ASSUMPTIONS = 1024;

/** The one possibility at the beginning. */
export function certain(state: WalkState): Possibility {
  return { state, alternatives: [undefined], incomplete: false };
}

/** The same under one more assumption. */
export function assume(possibility: Possibility, assumption: Assumption): Possibility {
  const alternatives = possibility.alternatives.map((before) => ({
    assumption,
    before,
    length: (before?.length ?? 0) + 1,
  }));
  return { ...possibility, alternatives };
}

/** Joins possibilities whose states are the same for everything that follows. */
export function joinPossibilities(possibilities: readonly Possibility[]): readonly Possibility[] {
  if (possibilities.length < 2) return possibilities;
  const byState = new Map<string, Possibility>();
  for (const possibility of possibilities) {
    const key = stateKey(possibility.state);
    const known = byState.get(key);
    byState.set(key, known === undefined ? possibility : join(known, possibility));
  }
  return [...byState.values()];
}

/** Joins two with the same state; what only one of them has settled is open again. */
export function join(a: Possibility, b: Possibility): Possibility {
  const settled = [...a.state.settled].filter(([text, holds]) => b.state.settled.get(text) === holds);
  const state = settled.length === a.state.settled.size ? a.state : { ...a.state, settled: new Map(settled) };
  let alternatives: readonly (Condition | undefined)[] = a.alternatives;
  for (const condition of b.alternatives) alternatives = addAlternative(alternatives, condition);
  const incomplete = a.incomplete || b.incomplete;
  if (alternatives.length <= MOST_ALTERNATIVES) return { state, alternatives, incomplete };
  return { state, alternatives: [commonBeginning(alternatives)], incomplete: true };
}

/** When one of several holds, whatever their states. */
export function joinConditions(
  possibilities: readonly Possibility[],
): Pick<Possibility, 'alternatives' | 'incomplete'> {
  let [joined, ...others] = possibilities;
  if (joined === undefined) return { alternatives: [undefined], incomplete: true };
  for (const { alternatives, incomplete } of others)
    joined = join(joined, { state: joined.state, alternatives, incomplete });
  return { alternatives: joined.alternatives, incomplete: joined.incomplete };
}

/** The alternatives as lists, each in the order met; of a long one the last {@link MOST_ASSUMPTIONS}. */
export function listAlternatives(possibility: Possibility): readonly (readonly Assumption[])[] {
  return possibility.alternatives.map((condition) => {
    const assumptions: Assumption[] = [];
    for (let at = condition; at !== undefined && assumptions.length < MOST_ASSUMPTIONS; at = at.before)
      assumptions.push(at.assumption);
    return assumptions.toReversed();
  });
}

/** Whether the lists of {@link listAlternatives} are not all there is. */
export function isShortened({ alternatives, incomplete }: Possibility): boolean {
  return incomplete || alternatives.some((condition) => condition !== undefined && condition.length > MOST_ASSUMPTIONS);
}

function addAlternative(
  alternatives: readonly (Condition | undefined)[],
  added: Condition | undefined,
): readonly (Condition | undefined)[] {
  if (added === undefined || alternatives.includes(undefined)) return [undefined];
  if (alternatives.includes(added)) return alternatives;
  // "X matches" or "X does not match", all else the same: it does not depend on X.
  const opposite = alternatives.find(
    (other) =>
      other !== undefined &&
      other.before === added.before &&
      other.assumption.subject === added.assumption.subject &&
      other.assumption.holds !== added.assumption.holds,
  );
  if (opposite === undefined) return [...alternatives, added];
  return addAlternative(
    alternatives.filter((other) => other !== opposite),
    added.before,
  );
}

function commonBeginning(alternatives: readonly (Condition | undefined)[]): Condition | undefined {
  let [common] = alternatives;
  for (const condition of alternatives) {
    let other = condition;
    while (common !== other && common !== undefined && other !== undefined) {
      if (common.length > other.length) common = common.before;
      else if (other.length > common.length) other = other.before;
      else [common, other] = [common.before, other.before];
    }
    if (common !== other) common = undefined;
  }
  return common;
}
