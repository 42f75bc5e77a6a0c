import type {
  ChainTarget,
  LogTarget,
  RejectTarget,
  SegmentSizeTarget,
  TableName,
  Target,
  VerdictTarget,
} from '../rule.ts';
import { applyMarkTarget } from './apply-mark-target.ts';
import { translate } from './apply-nat-target.ts';
import type { WalkState } from './walk-state.ts';

/** What a target does to a packet that met its rule. */
export type Effect =
  | {
      /** `continue`: the next rule; `accept`: the end of this table; `return`: back to the caller. */
      readonly kind: 'continue' | 'accept' | 'return';
      readonly state: WalkState;
      /** What it changed, in words. */
      readonly change?: string;
    }
  | { readonly kind: 'drop' }
  | { readonly kind: 'reject'; readonly answer: string }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  | {
      /** It may go on or end here: the target is not known. */
      readonly kind: 'unknown';
      readonly name: string;
    };

/** Where a rule is met. */
export interface Place {
  readonly table: TableName;
  /** Name of the built-in chain that led here. */
  readonly hook: string;
}

/** Targets that only look, count, or change what no rule here asks for. */
const GOES_ON: ReadonlySet<string> = new Set(
  [
    'AUDIT CHECKSUM CLASSIFY CONNSECMARK CT DSCP ECN HL IDLETIMER LED LOG NFLOG NOTRACK RATEEST SECMARK SET TCPMSS',
    'TCPOPTSTRIP TEE TOS TRACE TTL ULOG',
  ].flatMap((line) => line.split(' ')),
);

/** What `target` does to a packet in `state`. */
export function applyTarget(target: Target | undefined, state: WalkState, place: Place): Effect {
  if (target === undefined) return { kind: 'continue', state };
  return isPlain(target) ? decidePlain(target, state) : change(target, state, place);
}

type PlainTarget = VerdictTarget | ChainTarget | RejectTarget | LogTarget | SegmentSizeTarget;

const PLAIN: ReadonlySet<string> = new Set<PlainTarget['target']>([
  'ACCEPT',
  'DROP',
  'RETURN',
  'REJECT',
  'jump',
  'goto',
  'LOG',
  'TCPMSS',
]);

function isPlain(target: Target): target is PlainTarget {
  return PLAIN.has(target.target);
}

/** Targets that leave the packet as it is. */
function decidePlain(target: PlainTarget, state: WalkState): Effect {
  switch (target.target) {
    case 'ACCEPT':
      return { kind: 'accept', state };
    case 'DROP':
      return { kind: 'drop' };
    case 'RETURN':
      return { kind: 'return', state };
    case 'REJECT':
      return { kind: 'reject', answer: target.with ?? 'port unreachable' };
    case 'jump':
    case 'goto':
      return { kind: target.target, chain: target.chain };
    case 'LOG':
    case 'TCPMSS':
      return { kind: 'continue', state };
  }
}

function change(target: Exclude<Target, PlainTarget>, state: WalkState, place: Place): Effect {
  switch (target.target) {
    case 'MARK':
    case 'CONNMARK':
      return applyMarkTarget(target, state);
    case 'TPROXY':
      return takeTransparently(target, state);
    case 'CT':
      return { kind: 'continue', ...trackApart(target.zone, state) };
    case 'REDIRECT':
    case 'DNAT':
    case 'SNAT':
    case 'MASQUERADE':
      return translate(target, state, place.hook);
    case 'raw':
      return applyRaw(target.text, state, place);
  }
}

function takeTransparently(target: Target & { target: 'TPROXY' }, state: WalkState): Effect {
  const mark = state.mark === undefined ? undefined : ((state.mark & ~target.mark.mask) ^ target.mark.value) >>> 0;
  const any = target.onIp === '0.0.0.0' || target.onIp === '::';
  const to = any ? `port ${target.onPort}` : `${target.onIp} port ${target.onPort}`;
  return {
    kind: 'accept',
    state: {
      ...state,
      mark,
      forThisMachine: true,
      transparent: { address: target.onIp, port: target.onPort },
    },
    change: `for the transparent socket at ${to}${mark === undefined ? '' : `, mark is now 0x${mark.toString(16)}`}`,
  };
}

/** xt_CT: a packet that has its connection (it came back over lo), or what an earlier CT gave it, keeps that. */
function trackApart(zone: number | 'none', state: WalkState): { readonly state: WalkState; readonly change?: string } {
  if (state.tracked) return { state, change: 'no effect: it is tracked already' };
  if (state.template || state.untracked) return { state, change: 'no effect: CT has been here before' };
  if (zone === 'none') return { state: { ...state, untracked: true }, change: 'it is not tracked' };
  return { state: { ...state, zone, template: true }, change: `tracked in zone ${zone}` };
}

/** Targets that the parser keeps as text, as far as their name tells what they do. */
function applyRaw(text: string, state: WalkState, place: Place): Effect {
  const [name = '', ...options] = text.split(/\s+/);
  if (name === 'NOTRACK' || (name === 'CT' && options.includes('--notrack')))
    return { kind: 'continue', ...trackApart('none', state) };
  if (name === 'REJECT') return { kind: 'reject', answer: options.at(-1) ?? 'port unreachable' };
  if (name === 'MARK' || name === 'HMARK')
    return { kind: 'continue', state: { ...state, mark: undefined }, change: 'what the mark is now is not known' };
  if (name === 'CONNMARK')
    return {
      kind: 'continue',
      state: { ...state, mark: undefined, connectionMark: undefined },
      change: 'what the marks are now is not known',
    };
  if (GOES_ON.has(name)) return { kind: 'continue', state };
  return translateRaw(name, options, state, place) ?? { kind: 'unknown', name };
}

/** Address translation with options that the typed targets do not have, such as `--random` or no port. */
function translateRaw(name: string, options: readonly string[], state: WalkState, place: Place): Effect | undefined {
  if (place.table !== 'nat') return undefined;
  const option = (wanted: string): string | undefined => options[options.indexOf(wanted) + 1];
  const has = (wanted: string): boolean => options.includes(wanted);
  if (name === 'REDIRECT') return translate({ target: name }, state, place.hook, option('--to-ports'));
  if (name === 'MASQUERADE') return translate({ target: name }, state, place.hook, option('--to-ports'));
  if (name === 'DNAT' && has('--to-destination'))
    return translate({ target: name, address: '' }, state, place.hook, option('--to-destination'));
  if (name === 'SNAT' && has('--to-source'))
    return translate({ target: name, address: '' }, state, place.hook, option('--to-source'));
  return undefined;
}
