import { parseConnectionStates } from './connection-state.ts';
import { type Mark, parseMark } from './mark.ts';
import { renderMatch, renderTarget } from './render-rule.ts';
import type { Match, PortMatch, PortRange, TableName, Target } from './rule.ts';
import type { Token } from './tokenize.ts';

/** What the rule parser must know of the table it reads. */
export interface RuleContext {
  readonly table: TableName;
  /** Chains of the table: `-j NAME` is a jump when NAME is among them, else an extension. */
  readonly chains: ReadonlySet<string>;
}

interface Option {
  readonly name: string;
  readonly value: string;
  readonly negated: boolean;
}

const STARTERS: ReadonlySet<string> = new Set(['-s', '-d', '-i', '-o', '-p', '-m', '-j', '-g']);

/**
 * Reads the words after `-A CHAIN`. Whatever is unknown, or would not be written back exactly as read, becomes a raw
 * match or target, so that rendering the result always gives the words back.
 */
export function parseRuleBody(
  tokens: readonly Token[],
  context: RuleContext,
): { readonly matches: readonly Match[]; readonly target?: Target } {
  const matches: Match[] = [];
  let protocol: string | undefined;
  for (let at = 0; at < tokens.length; ) {
    const first = tokens[at];
    if (isOption(first, '-j') || isOption(first, '-g'))
      return { matches, target: parseTarget(first.text, tokens.slice(at + 1), context) };
    const end = endOfChunk(tokens, at);
    const chunk = tokens.slice(at, end);
    const match = parseMatch(chunk, protocol);
    if (match.match === 'protocol') protocol = match.protocol;
    matches.push(match);
    at = end;
  }
  return { matches };
}

function isOption(token: Token | undefined, text: string): token is Token {
  return token !== undefined && !token.quoted && token.text === text;
}

function isStarter(token: Token | undefined): boolean {
  return token !== undefined && !token.quoted && STARTERS.has(token.text);
}

/** A chunk is one core option with its value, or `-m NAME` with all its options. */
function endOfChunk(tokens: readonly Token[], start: number): number {
  // The value of `--comment` is free text: it may look like an option without being quoted.
  if (isOption(tokens[start], '-m') && isOption(tokens[start + 1], 'comment'))
    return Math.min(start + 4, tokens.length);
  const option = start + (isOption(tokens[start], '!') ? 1 : 0);
  if (isStarter(tokens[option]) && !isOption(tokens[option], '-m')) return Math.min(option + 2, tokens.length);
  let at = option + 1;
  while (at < tokens.length) {
    if (isStarter(tokens[at]) || (isOption(tokens[at], '!') && isStarter(tokens[at + 1]))) break;
    at += 1;
  }
  return at;
}

function parseMatch(chunk: readonly Token[], protocol: string | undefined): Match {
  const source = chunk.map((token) => token.source).join(' ');
  const match = parseCoreMatch(chunk) ?? parseExtension(chunk, protocol);
  return match !== undefined && rendersAs(() => renderMatch(match), source) ? match : { match: 'raw', text: source };
}

/** A value that cannot even be rendered is not one we understand: it stays verbatim. */
function rendersAs(render: () => string, source: string): boolean {
  try {
    return render() === source;
  } catch {
    return false;
  }
}

function parseCoreMatch(chunk: readonly Token[]): Match | undefined {
  const negated = isOption(chunk[0], '!') ? ({ negated: true } as const) : {};
  const [option, value, rest] = isOption(chunk[0], '!') ? chunk.slice(1) : chunk;
  if (option === undefined || value === undefined || rest !== undefined) return undefined;
  switch (option.text) {
    case '-s':
    case '-d': {
      const [address = '', length] = value.text.split('/');
      const prefix = length === undefined ? {} : { prefixLength: Number(length) };
      return { match: option.text === '-s' ? 'source' : 'destination', address, ...prefix, ...negated };
    }
    case '-i':
    case '-o':
      return { match: option.text === '-i' ? 'in-interface' : 'out-interface', name: value.text, ...negated };
    case '-p':
      return { match: 'protocol', protocol: value.text, ...negated };
    default:
      return undefined;
  }
}

function parseExtension(chunk: readonly Token[], protocol: string | undefined): Match | undefined {
  const named = isOption(chunk[0], '-m');
  const name = named ? chunk[1]?.text : protocol;
  const options = parseOptions(named ? chunk.slice(2) : chunk);
  if (options === undefined) return undefined;
  if (name === 'tcp' || name === 'udp') return parseTransport(name, options, named);
  const [option] = options;
  return named && option !== undefined && options.length === 1 ? parseSingleOption(name, option) : undefined;
}

/** Extensions of which we know one option. */
function parseSingleOption(name: string | undefined, option: Option): Match | undefined {
  const negated = option.negated ? ({ negated: true } as const) : {};
  switch (`${name} ${option.name}`) {
    case 'mark --mark':
    case 'connmark --mark': {
      const mark = parseMark(option.value);
      return mark && { match: name === 'mark' ? 'mark' : 'connmark', mark, ...negated };
    }
    case 'conntrack --ctstate': {
      const states = parseConnectionStates(option.value);
      return states && { match: 'conntrack', states, ...negated };
    }
    case 'comment --comment':
      return { match: 'comment', text: option.value };
    default:
      return undefined;
  }
}

function parseTransport(match: 'tcp' | 'udp', options: readonly Option[], named: boolean): Match | undefined {
  const ports: { sourcePort?: PortMatch; destinationPort?: PortMatch } = {};
  for (const option of options) {
    const key = option.name === '--sport' ? 'sourcePort' : 'destinationPort';
    const range = parsePorts(option.value, ':');
    if (range === undefined || (option.name !== '--sport' && option.name !== '--dport')) return undefined;
    ports[key] = option.negated ? { ...range, negated: true } : range;
  }
  return named ? { match, ...ports } : { match, ...ports, implicit: true };
}

/** Each option with exactly one value; undefined when the words are of another shape. */
function parseOptions(tokens: readonly Token[]): readonly Option[] | undefined {
  const options: Option[] = [];
  for (let at = 0; at < tokens.length; at += 2) {
    const negated = isOption(tokens[at], '!');
    if (negated) at += 1;
    const [name, value] = [tokens[at], tokens[at + 1]];
    if (name === undefined || value === undefined || name.quoted || !name.text.startsWith('--')) return undefined;
    options.push({ name: name.text, value: value.text, negated });
  }
  return options;
}

function parsePorts(text: string, separator: string): PortRange | undefined {
  const [first = '', last, rest] = text.split(separator);
  if (rest !== undefined || !/^\d+$/.test(first)) return undefined;
  return last === undefined ? { first: Number(first) } : { first: Number(first), last: Number(last) };
}

function parseTarget(option: string, tokens: readonly Token[], context: RuleContext): Target {
  const source = tokens.map((token) => token.source).join(' ');
  const [first] = tokens;
  if (first === undefined) return { target: 'raw', text: source };
  if (option === '-g') return { target: 'goto', chain: source };
  const target =
    tokens.length === 1 ? parseBareTarget(first.text, context) : parseExtensionTarget(tokens, context.table);
  return target !== undefined && rendersAs(() => renderTarget(target), `-j ${source}`)
    ? target
    : { target: 'raw', text: source };
}

function parseBareTarget(name: string, context: RuleContext): Target | undefined {
  if (name === 'ACCEPT' || name === 'DROP' || name === 'RETURN') return { target: name };
  return context.chains.has(name) ? { target: 'jump', chain: name } : undefined;
}

/** Options are not looked at by name: rendering the result and comparing is the check. */
function parseExtensionTarget(tokens: readonly Token[], table: TableName): Target | undefined {
  const [name, ...words] = tokens.map((token) => token.text);
  switch (`${table} ${name}`) {
    case 'nat REDIRECT': {
      const toPorts = parsePorts(words[1] ?? '', '-');
      return toPorts && { target: 'REDIRECT', toPorts, ...(words[0] === '--to-port' ? { abbreviated: true } : {}) };
    }
    case 'raw CT':
      return { target: 'CT', zone: Number(words[1]) };
    case 'mangle TPROXY': {
      const mark = parseMark(words[5] ?? '');
      return mark && { target: 'TPROXY', onPort: Number(words[1]), onIp: words[3] ?? '', mark };
    }
    default:
      return name === 'CONNMARK' ? parseConnmark(words) : undefined;
  }
}

function parseConnmark(words: readonly string[]): Target | undefined {
  const [option, second = '', third = '', , fifth = ''] = words;
  if (option === '--set-xmark') {
    const mark: Mark | undefined = parseMark(second);
    return mark && { target: 'CONNMARK', operation: 'set-xmark', mark };
  }
  if (option !== '--restore-mark' && option !== '--save-mark') return undefined;
  const operation = option === '--restore-mark' ? 'restore-mark' : 'save-mark';
  return { target: 'CONNMARK', operation, nfmask: Number(third), ctmask: Number(fifth) };
}
