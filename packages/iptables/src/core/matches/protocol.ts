import { isProtocol, listProtocol } from '../protocol-names.ts';
import { not, word } from '../render-words.ts';
import type { ProtocolMatch } from '../rule.ts';
import type { MatchKind } from './match-kind.ts';

/** Packets of one protocol, by number or by a name that IANA or Debian has for it. The factories of ports and ICMP types bring it along. */
export function protocol(name: string | number): ProtocolMatch {
  return { match: 'protocol', protocol: `${name}` };
}

/** `-p`. */
export const PROTOCOL: MatchKind<ProtocolMatch> = {
  render: ({ protocol: name, negated }) => `${not(negated)}-p ${word(name)}`,
  parse([option]) {
    if (option === undefined) return undefined;
    const name = option.values[0] ?? '';
    return option.negated
      ? { match: 'protocol', protocol: name, negated: true }
      : { match: 'protocol', protocol: name };
  },
  list(match) {
    const name = listProtocol(match.protocol);
    if (name === 'all' && !match.negated) return undefined;
    return name === match.protocol ? match : { ...match, protocol: name };
  },
  check({ protocol: name, negated }) {
    if (!isProtocol(name))
      return `protocol ${JSON.stringify(name)}: want a name, such as tcp, or a number from 0 to 255`;
    return negated && listProtocol(name) === 'all' ? 'no packet has a protocol outside of all protocols' : undefined;
  },
};
