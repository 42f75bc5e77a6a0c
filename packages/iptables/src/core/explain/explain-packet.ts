import { IptablesError } from '../../errors.ts';
import type { RuleSet, TableName } from '../rule.ts';
import { type IndexedTable, indexChains } from './chain-index.ts';
import { collectEnds } from './collect-ends.ts';
import type { Explanation } from './explanation.ts';
import { PACKET_STATES, type Packet } from './packet.ts';
import { assume, certain, joinPossibilities, type Possibility } from './possibility.ts';
import { walkChain } from './walk-chain.ts';
import { MOST_STEPS, WalkLog } from './walk-log.ts';
import { beginWalk, currentState, hasConnection, isOwnAddress, routeOut, type WalkState } from './walk-state.ts';

/** Tables in the order of their priorities in the kernel, for each hook. Source translation comes last. */
const TABLES: { readonly [hook: string]: readonly TableName[] } = {
  PREROUTING: ['raw', 'mangle', 'nat'],
  INPUT: ['mangle', 'filter', 'security', 'nat'],
  FORWARD: ['mangle', 'filter', 'security'],
  OUTPUT: ['raw', 'mangle', 'nat', 'filter', 'security'],
  POSTROUTING: ['mangle', 'nat'],
};

/** The condition that asks what the routing decision answers. */
const IS_LOCAL = '-m addrtype --dst-type LOCAL';

type Hook = 'PREROUTING' | 'INPUT' | 'FORWARD' | 'OUTPUT' | 'POSTROUTING';

/**
 * Walks one packet through a saved firewall, in the order of the kernel's hooks: every rule it meets, and every end
 * it may come to. What cannot be told from the save and the description (sets, limits, `raw` matches, routing, …) is
 * not guessed: the walk goes on both ways. Routing tables are not part of a save: of an incoming packet the decision
 * is known if the description tells it (`local`, `out`, `host`) or a rule does (`REDIRECT`, `TPROXY`). A chain that is
 * called again and again with the same packet is walked a few times and known then; after two million looks at rules the
 * walk ends undecided, and of its steps the first hundred thousand are given.
 * Throws `IPTABLES_PACKET_INVALID` for a packet of the other family or one that `parsePacket` would not make, `IPTABLES_RULE_INVALID` for chains that call each
 * other in a circle. Nothing is read, nothing sent.
 */
export function explainPacket(ruleSet: RuleSet, packet: Packet): Explanation {
  if (packet.family !== undefined && packet.family !== ruleSet.family)
    throw new IptablesError(
      'IPTABLES_PACKET_INVALID',
      `this packet is ${packet.family} and the rules are ${ruleSet.family}`,
    );
  checkPacket(packet);
  const walk = new PacketWalk(indexChains(ruleSet));
  const begin = [certain(beginWalk(packet, ruleSet.family))];
  if (packet.origin === 'local') walk.leave(begin);
  else walk.arrive(begin, packet.outInterface);
  const { log, delivered, sent, notes } = walk;
  const { ends, cut } = collectEnds({ early: log.ends, delivered, sent });
  if (log.cut || cut) notes.add('there are more possibilities than are followed: other ends may exist');
  if (log.exhausted) notes.add('the walk ended at its limit: other ends may exist');
  if (log.untold > 0) notes.add(`only the first ${MOST_STEPS} steps are told, ${log.untold} more were made`);
  const [end, another] = ends;
  return {
    family: ruleSet.family,
    packet,
    steps: log.steps,
    ends,
    decided: end !== undefined && another === undefined && end.end !== 'unknown' && !log.cut && !log.exhausted && !cut,
    notes: [...notes],
  };
}

/** What the walk would take for another choice if it came misspelt, from JavaScript or JSON. */
function checkPacket({ origin, state, translated }: Packet): void {
  const wrong =
    (origin !== 'incoming' && origin !== 'local' && `origin ${JSON.stringify(origin)}`) ||
    (!PACKET_STATES.includes(state) && `state ${JSON.stringify(state)}`) ||
    (translated.some((side) => side !== 'SNAT' && side !== 'DNAT') && `translated ${JSON.stringify(translated)}`);
  if (wrong) throw new IptablesError('IPTABLES_PACKET_INVALID', `a packet has no ${wrong} (see parsePacket)`);
}

class PacketWalk {
  readonly log = new WalkLog();
  readonly delivered: Possibility[] = [];
  readonly sent: Possibility[] = [];
  readonly notes = new Set<string>();
  readonly #tables: ReadonlyMap<TableName, IndexedTable>;

  constructor(tables: ReadonlyMap<TableName, IndexedTable>) {
    this.#tables = tables;
  }

  /** From an interface, up to delivery or the way out. */
  arrive(begin: readonly Possibility[], outInterface: string | undefined): void {
    const arrived = this.#passHook('PREROUTING', begin);
    if (arrived.length === 0) return;
    const local: Possibility[] = [];
    const forwarded: Possibility[] = [];
    for (const possibility of arrived) this.#route(possibility, outInterface, { local, forwarded });
    this.delivered.push(...this.#passHook('INPUT', local));
    const through = this.#passHook('FORWARD', forwarded);
    this.sent.push(...this.#passHook('POSTROUTING', through));
  }

  /** From a program of this machine, up to the way out; over lo it comes back. */
  leave(begin: readonly Possibility[]): void {
    const routed = this.#passHook('OUTPUT', begin).map(takeNewRoute);
    const left = this.#passHook('POSTROUTING', routed);
    const looped: Possibility[] = [];
    for (const possibility of left) this.#goOut(possibility, looped);
    if (looped.length === 0) return;
    this.#tell('it leaves by lo, and comes back in by lo');
    const back = looped.map((possibility) => ({ ...possibility, state: comeBack(possibility.state) }));
    this.arrive(back, undefined);
  }

  #goOut(possibility: Possibility, looped: Possibility[]): void {
    const { outInterface, settled } = possibility.state;
    if (outInterface === 'lo') looped.push(possibility);
    else if (outInterface !== undefined || settled.get('-o lo') === false) this.sent.push(possibility);
    else {
      const because = 'a save does not tell; out or host would';
      const subject = 'routing out';
      this.#tell(`routing: out by lo or another interface: ${because}`);
      looped.push(assume(possibility, { subject, holds: true, text: 'it leaves by lo', because }));
      this.sent.push(
        assume(possibility, { subject, holds: false, text: 'it leaves by another interface than lo', because }),
      );
    }
  }

  #passHook(hook: Hook, begin: readonly Possibility[]): readonly Possibility[] {
    let possibilities = joinPossibilities(begin);
    for (const name of TABLES[hook] ?? []) {
      if (possibilities.length === 0) return possibilities;
      if (name !== 'raw') possibilities = possibilities.map(track);
      possibilities = this.#passTable(name, hook, possibilities);
    }
    return possibilities.map(track);
  }

  #passTable(name: TableName, hook: Hook, begin: readonly Possibility[]): readonly Possibility[] {
    const table = this.#tables.get(name);
    const side = hook === 'PREROUTING' || hook === 'OUTPUT' ? 'destination' : 'source';
    const asked = name === 'nat' ? begin.filter(({ state }) => asksNat(state, side)) : begin;
    const past = name === 'nat' ? begin.filter(({ state }) => !asksNat(state, side)) : [];
    if (table !== undefined && asked.length === 0) this.#skipNat(hook, past, side);
    const before = new Map(asked.map(({ state }) => [state.mark, state]));
    let passed = asked;
    if (table !== undefined && asked.length > 0) passed = walkChain(table, hook, asked, this.log);
    if (name === 'nat') passed = passed.map((possibility) => markAsked(possibility, side));
    if (name === 'mangle' && hook === 'OUTPUT' && table !== undefined)
      passed = passed.map((possibility) =>
        before.has(possibility.state.mark) ? possibility : this.#reroute(possibility),
      );
    return [...passed, ...past];
  }

  #skipNat(hook: Hook, past: readonly Possibility[], side: 'source' | 'destination'): void {
    const [first] = past;
    if (first === undefined) return;
    const state = currentState(first.state);
    const again = state === 'NEW';
    const skipped = again
      ? `nat has been asked for the ${side} of this connection`
      : `nat is asked for NEW connections only, and this is ${state}`;
    this.log.tell({ step: 'chain', table: 'nat', chain: hook, skipped });
    if (state === 'RELATED')
      this.notes.add('nat may be asked for the first packet of a RELATED connection: that depends on its helper');
    if (!again && hasConnection(first.state))
      this.notes.add(
        'a connection that nat translated at its first packet is translated the same way now: a save does not tell, the addresses are taken as described',
      );
  }

  /** ip_route_me_harder: another mark may mean another route. */
  #reroute(possibility: Possibility): Possibility {
    const { mark } = possibility.state;
    const is = mark === undefined ? 'not what it was' : `now 0x${mark.toString(16)}`;
    this.#tell(`its mark is ${is}: it is routed again, a save does not tell where to`);
    this.notes.add('the mark changed in OUTPUT: policy routing (ip rule) may choose another interface than before');
    return { ...possibility, state: { ...possibility.state, rerouted: true } };
  }

  /** Once for all possibilities that it is the same for. */
  #tell(text: string): void {
    const { steps } = this.log;
    for (let at = steps.length - 1; steps[at]?.step === 'routing'; at--) {
      const told = steps[at];
      if (told?.step === 'routing' && told.text === text) return;
    }
    this.log.tell({ step: 'routing', text });
  }

  #route(
    possibility: Possibility,
    outInterface: string | undefined,
    to: { readonly local: Possibility[]; readonly forwarded: Possibility[] },
  ): void {
    const { state } = possibility;
    const local = { ...possibility, state: settleDestination(state, true) };
    const forwarded = { ...possibility, state: { ...settleDestination(state, false), outInterface } };
    if (state.transparent !== undefined)
      this.notes.add(
        `TPROXY delivers only if policy routing (ip rule, for its mark) leads to lo, and a transparent socket listens on port ${state.transparent.port}`,
      );
    const own = state.forThisMachine ?? isOwnAddress(state, state.destination.address);
    if (own ?? (outInterface === undefined && state.settled.get(IS_LOCAL))) {
      this.#tell('routing: to this machine');
      to.local.push(local);
    } else if (outInterface !== undefined) {
      this.#tell(`routing: forwarded by ${outInterface}`);
      to.forwarded.push(forwarded);
    } else {
      const because = 'a save does not tell; local, host or out would';
      const subject = 'routing';
      this.#tell(`routing: to this machine or forwarded: ${because}`);
      to.local.push(assume(local, { subject, holds: true, text: 'its destination is this machine', because }));
      to.forwarded.push(assume(forwarded, { subject, holds: false, text: 'it is forwarded', because }));
    }
  }
}

/** What the routing decision is, `-m addrtype` of later rules says too. */
function settleDestination(state: WalkState, forThisMachine: boolean): WalkState {
  return { ...state, forThisMachine, settled: new Map(state.settled).set(IS_LOCAL, forThisMachine) };
}

/** nf_nat_inet_fn: once for each side of a new connection. */
function asksNat(state: WalkState, side: 'source' | 'destination'): boolean {
  return currentState(state) === 'NEW' && !(side === 'source' ? state.sourceAsked : state.destinationAsked);
}

function markAsked(possibility: Possibility, side: 'source' | 'destination'): Possibility {
  const asked = side === 'source' ? { sourceAsked: true } : { destinationAsked: true };
  return { ...possibility, state: { ...possibility.state, ...asked } };
}

function track(possibility: Possibility): Possibility {
  const { state } = possibility;
  return state.tracked ? possibility : { ...possibility, state: { ...state, tracked: true } };
}

/** The hook of OUTPUT knows the route it began with; the new one counts from POSTROUTING on. */
function takeNewRoute(possibility: Possibility): Possibility {
  const { state } = possibility;
  if (!state.rerouted) return possibility;
  const settled = new Map([...state.settled].filter(([text]) => !text.startsWith('-o ')));
  return { ...possibility, state: { ...state, settled, outInterface: routeOut(state), rerouted: false } };
}

/** Over lo a packet keeps its mark and its connection; its socket it leaves behind. */
function comeBack(state: WalkState): WalkState {
  return { ...state, inInterface: 'lo', outInterface: '', hasSocket: false, forThisMachine: true };
}
