import { renderMark, renderMask } from '../mark.ts';
import { HIGHEST_PORT } from '../ports.ts';
import { isWord, quote } from '../render-words.ts';
import type { Family } from '../rule.ts';
import {
  type ExtensionSpelling,
  flag,
  type OptionSpelling,
  type OptionText,
  valued,
  verbatim,
} from './option-spelling.ts';
import { parseAnyMark, parseNumber, respellFullMark, respellNumber, respellPorts } from './value-spelling.ts';

const HIGHEST_LEVEL = 7;
const ALL_BITS = 0xffff_ffff;
/** Names of syslog levels, as the tool knows them; not those that syslog itself has besides. */
const LEVELS: readonly string[] = ['emerg', 'alert', 'crit', 'error', 'warning', 'notice', 'info', 'debug'];
const ANY_ADDRESS: { readonly [F in Family]: string } = { ipv4: '0.0.0.0', ipv6: '::' };

/** What changes a mark; all are listed as `--set-xmark`: new mark = (mark and not mask) xor value. */
const MARK_CHANGES = exclusive([
  valued(['set-xmark'], respellFullMark),
  markChange('set-mark', (text) => {
    const mark = parseAnyMark(text);
    return mark && { value: mark.value, mask: (mark.mask | mark.value) >>> 0 };
  }),
  markChange('and-mark', (text) => changeOf(text, (bits) => ({ value: 0, mask: ~bits >>> 0 }))),
  markChange('or-mark', (text) => changeOf(text, (bits) => ({ value: bits, mask: bits }))),
  markChange('xor-mark', (text) => changeOf(text, (bits) => ({ value: bits, mask: 0 }))),
]);

const CONNMARK: ExtensionSpelling = {
  ordered: true,
  options: [
    ...MARK_CHANGES,
    flag('save-mark'),
    flag('restore-mark'),
    valued(['nfmask'], respellMask),
    valued(['ctmask'], respellMask),
    {
      names: ['mask'],
      values: 1,
      excludes: ['nfmask', 'ctmask'],
      respell([text = '']) {
        const mask = respellMask(text);
        return mask && `--nfmask ${mask} --ctmask ${mask}`;
      },
    },
    ...verbatim(1, 'left-shift-mark right-shift-mark'),
  ],
  defaults(given) {
    if (!(given.has('save-mark') || given.has('restore-mark')) || given.has('mask')) return [];
    return ['nfmask', 'ctmask']
      .filter((name) => !given.has(name))
      .map((name): OptionText => ({ name, text: `--${name} ${renderMask(ALL_BITS)}` }));
  },
};

const LOG: ExtensionSpelling = {
  ordered: true,
  options: [
    valued(['log-prefix'], (text) => (text === '' ? undefined : quote(text))),
    valued(['log-level'], respellLevel),
    ...['log-tcp-sequence', 'log-tcp-options', 'log-ip-options', 'log-uid', 'log-macdecode'].map((name) => flag(name)),
  ],
};

const TPROXY: ExtensionSpelling = {
  ordered: true,
  options: [
    valued(['on-port'], (text) => respellNumber(text, HIGHEST_PORT)),
    valued(['on-ip'], (text) => (isWord(text) ? text : undefined)),
    valued(['tproxy-mark'], respellFullMark),
  ],
  defaults: (given, family) => [
    ...(given.has('on-ip') ? [] : [{ name: 'on-ip', text: `--on-ip ${ANY_ADDRESS[family]}` }]),
    ...(given.has('tproxy-mark') ? [] : [{ name: 'tproxy-mark', text: '--tproxy-mark 0x0/0x0' }]),
  ],
};

const NAT_PORTS = valued(['to-ports'], (text) => respellPorts(text, '-', false));

/** Targets of which all options are known, by the name after `-j`. */
const SPELLINGS: ReadonlyMap<string, ExtensionSpelling> = new Map<string, ExtensionSpelling>([
  ...['ACCEPT', 'DROP', 'RETURN'].map((name): [string, ExtensionSpelling] => [name, { ordered: true, options: [] }]),
  ['MARK', { ordered: true, options: MARK_CHANGES }],
  ['CONNMARK', CONNMARK],
  ['LOG', LOG],
  [
    'TCPMSS',
    {
      ordered: true,
      options: [valued(['set-mss'], (text) => respellNumber(text, HIGHEST_PORT)), flag('clamp-mss-to-pmtu')],
    },
  ],
  ['REJECT', { ordered: true, options: [valued(['reject-with'], (text) => (isWord(text) ? text : undefined))] }],
  // The reference writes --to-port, which the data tells from --to-ports.
  ['REDIRECT', { ordered: true, options: [NAT_PORTS, { names: ['to-port'], values: 1, exact: true }, flag('random')] }],
  ['DNAT', { ordered: true, options: [valued(['to-destination'], respellPlace), flag('random'), flag('persistent')] }],
  [
    'SNAT',
    {
      ordered: true,
      options: [valued(['to-source'], respellPlace), flag('random'), flag('random-fully'), flag('persistent')],
    },
  ],
  ['MASQUERADE', { ordered: true, options: [NAT_PORTS, flag('random'), flag('random-fully')] }],
  ['TPROXY', TPROXY],
  [
    'CT',
    {
      ordered: false,
      options: [
        flag('notrack'),
        valued(['zone'], (text) => respellNumber(text, HIGHEST_PORT)),
        ...verbatim(1, 'helper timeout ctevents expevents zone-orig zone-reply'),
      ],
    },
  ],
]);

/** How the target is spelled; undefined where that is not known. */
export function targetSpelling(name: string): ExtensionSpelling | undefined {
  return SPELLINGS.get(name);
}

interface MarkChange {
  readonly value: number;
  readonly mask: number;
}

function markChange(name: string, read: (text: string) => MarkChange | undefined): OptionSpelling {
  return {
    names: [name],
    values: 1,
    respell([text = '']) {
      const change = read(text);
      return change && `--set-xmark ${renderMark(change)}`;
    },
  };
}

/** Options of which a rule has one only. */
function exclusive(options: readonly OptionSpelling[]): readonly OptionSpelling[] {
  const names = options.map((option) => option.names[0]);
  return options.map((option) => ({ ...option, excludes: names.filter((name) => name !== option.names[0]) }));
}

function changeOf(text: string, change: (bits: number) => MarkChange): MarkChange | undefined {
  const bits = parseNumber(text);
  return bits === undefined ? undefined : change(bits);
}

function respellMask(text: string): string | undefined {
  const mask = parseNumber(text);
  return mask === undefined ? undefined : renderMask(mask);
}

function respellLevel(text: string): string | undefined {
  const level = text === 'panic' ? 0 : LEVELS.indexOf(text);
  return level === -1 ? respellNumber(text, HIGHEST_LEVEL) : `${level}`;
}

/** Addresses and ports as they are listed: brackets only before ports, and these in decimal. */
const PLACE =
  /^(?:[\d.]+(?:-[\d.]+)?|[\da-f:]+(?:-[\da-f:]+)?|(?:[\d.-]*|\[[\da-f:-]+\]):(?:[1-9]\d*)(?:-[1-9]\d*(?:\/\d+)?)?)$/;

/** Address and ports: a range of one is that one. */
function respellPlace(text: string): string | undefined {
  const place = text.replace(/:(\d+)-\1$/, ':$1').replace(/^(\[?)([\da-f.:]+)-\2(?=\]|$|:\d+)/, '$1$2');
  return PLACE.test(place) ? place : undefined;
}
