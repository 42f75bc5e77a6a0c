import { listMatch } from './matches/match-kinds.ts';
import { byChance } from './matches/statistic.ts';
import type { Family } from './rule.ts';

const OCTET = String.raw`(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`;
const IPV4 = String.raw`${OCTET}\.${OCTET}\.${OCTET}\.${OCTET}`;
const BLOCK = String.raw`(?:${IPV4}/32|${OCTET}\.${OCTET}\.${OCTET}\.0/24|${OCTET}\.${OCTET}\.0\.0/16|${OCTET}\.0\.0\.0/8)`;
const GROUP = String.raw`[1-9a-f][\da-f]{0,3}`;
/** Two zeros or more between other numbers: any other address may have another spelling. */
const IPV6 = String.raw`(?!(?:[\da-f]*:){7})(?:${GROUP}:)+(?::${GROUP})+`;
const PORT = String.raw`(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3}|0)`;
const PLACES = {
  ipv4: { block: BLOCK, nat: `${IPV4}(?::${PORT})?` },
  ipv6: { block: `${IPV6}/128`, nat: String.raw`\[${IPV6}\]:${PORT}` },
} as const;

const NAME = String.raw`\w[\w.-]*`;
const INTERFACE = String.raw`\w[\w.:@-]*\+?`;
const NUMBER = String.raw`0x(?:0|[1-9a-f][\da-f]{0,7})`;
/** In quotes only what needs them, and nothing that needs a backslash. */
const TEXT = String.raw`(?:\w[-\w]*|"[-\w]*[^-\w"'\\\0-\x1f\x7f][^"'\\\0-\x1f\x7f]*")`;
const MATCHES = [
  `comment --comment ${TEXT}`,
  `(?:tcp|udp)(?: (?:! )?--sport ${PORT})?(?: (?:! )?--dport ${PORT})?`,
  // A mask of all bits is not listed.
  `mark (?:! )?--mark ${NUMBER}(?:/(?!0xffffffff )${NUMBER})?`,
  'conntrack (?:! )?--ctstate (?:INVALID|NEW|ESTABLISHED|RELATED,ESTABLISHED)',
  'addrtype (?:! )?--(?:src|dst)-type (?:LOCAL|UNICAST|BROADCAST|MULTICAST)',
].join('|');
const TARGETS = [
  // Those of the tools are in capitals, and some have defaults that are listed.
  String.raw`(?![A-Z\d]+\n)${NAME}`,
  'ACCEPT|DROP|RETURN|MASQUERADE(?: --random-fully)?',
  `MARK --set-xmark ${NUMBER}/${NUMBER}`,
  `REDIRECT --to-ports ${PORT}`,
  'REJECT --reject-with (?:icmp6?-[a-z-]+|tcp-reset)',
  `LOG(?: --log-prefix ${TEXT})?(?: --log-level [0-35-7])?`,
].join('|');

/**
 * Recognises the rules that large saves are made of: those of kube-proxy, Docker and many firewalls. They are known to
 * be free of mistakes, to have a target, and to be listed with the text they have, without having been read: for that
 * is ten times the work, and in a fresh process most of it is code that was not compiled yet.
 */
export class UsualRules {
  readonly #text: string;
  readonly #family: Family;
  readonly #line: RegExp;
  readonly #chances = new Map<string, boolean>();

  constructor(text: string, family: Family) {
    const { block, nat } = PLACES[family];
    const core = `(?:(?:! )?-s ${block} )?(?:(?:! )?-d ${block} )?(?:(?:! )?-i ${INTERFACE} )?(?:(?:! )?-o ${INTERFACE} )?(?:(?:! )?-p (?:tcp|udp|icmp) )?`;
    this.#text = text;
    this.#family = family;
    // Only at the end, for one capture does not tell of two.
    const chance = String.raw`(?:-m statistic --mode random --probability (0\.\d{11}) )?`;
    this.#line = new RegExp(
      String.raw`(?:\[\d+:\d+\] )?-A ${NAME} ${core}(?:-m (?:${MATCHES}) )*${chance}-j (?:${TARGETS}|DNAT --to-destination ${nat})(?=\n)`,
      'y',
    );
  }

  /** The line from `start`, if it is a usual rule, with its counters if it has them. */
  find(start: number): string | undefined {
    const line = this.#line;
    line.lastIndex = start;
    const found = line.exec(this.#text);
    if (found === null) return undefined;
    const chance = found[1];
    return chance === undefined || this.#isListed(chance) ? found[0] : undefined;
  }

  /** The kernel rounds. */
  #isListed(chance: string): boolean {
    const known = this.#chances.get(chance);
    if (known !== undefined) return known;
    const match = byChance(Number(chance));
    const listed = listMatch(match, this.#family) === match;
    this.#chances.set(chance, listed);
    return listed;
  }
}
